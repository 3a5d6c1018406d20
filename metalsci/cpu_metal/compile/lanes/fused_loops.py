"""Loops of as many turns that follow one another become one loop, if they compute the same in part.

Functions that take numbers apart bit by bit are called several times in a row with the same number of bits: six
neighbours in Morton order are six loops over the same shifts. One loop does what they share once.

The second loop begins once the first one has ended, and neither writes memory, so that turns of both may be taken
together. What stands between them and the second loop needs is done before both; the rest waits until both have ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.lanes.needless import may_be_needless
from metalsci.cpu_metal.compile.lanes.steps import touches_memory
from metalsci.cpu_metal.compile.llvm.function import Block, Function
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.text import NAME

_MOST = 250  # instructions of a loop
_SHARED = 4  # of so many instructions of the second loop, one at least is in the first too


@dataclass(frozen=True)
class _Loop:
    """A block that repeats itself as often as its index says.

    enters: the block before it, the only one. leaves: the block behind it. index: its phi, the value of the next turn,
    and the question that ends it. turns: text that is the same for loops of as many turns.
    """

    block: Block
    enters: str
    leaves: str
    index: Instruction
    following: Instruction
    question: Instruction
    turns: tuple[object, ...]

    @property
    def own(self) -> Sequence[Instruction]:
        """All instructions but those that count turns."""
        counting = {self.index.result, self.following.result, self.question.result}
        return [each for each in self.block.instructions[:-1] if each.result not in counting]


def with_loops_fused(function: Function) -> Function:
    """Return a function of which no two neighbouring loops could be one."""
    while True:
        fused = _with_two_fused(function)
        if fused is None:
            return function
        function = fused


def _with_two_fused(function: Function) -> Function | None:
    loops = {loop.block.label: loop for loop in _loops(function)}
    for first in loops.values():
        between = function.by_label[first.leaves]
        second = loops.get(between.successors[0]) if len(between.successors) == 1 else None
        if second is None or second is first or function.predecessors[between.label] != [first.block.label]:
            continue
        fused = _fused(function, first, between, second)
        if fused is not None:
            return fused
    return None


def _loops(function: Function) -> Iterator[_Loop]:
    for block in function.blocks:
        label, end = block.label, block.terminator
        entries = [each for each in function.predecessors[label] if each != label]
        if label in block.successors and len(block.successors) == 2 and len(entries) == 1 and end.opcode == "br":
            found = _counted(block, entries[0])
            is_asked_once = found is not None and len(function.uses[found.question.result]) == 1
            if found is not None and is_asked_once and all(map(_is_pure, block.instructions[:-1])):
                yield found


def _counted(block: Block, enters: str) -> _Loop | None:
    defined = {each.result: each for each in block.instructions if each.result}
    asked = block.terminator.operands[0].value
    question = defined.get(asked)
    if question is None or question.opcode != "icmp":
        return None
    counter, limit = question.operands
    for index in block.phis:
        following = defined.get(_incoming(index, block.label).value)
        if following is None or following.opcode != "add" or following.operands[0].value != index.result:
            continue
        if counter.value not in (index.result, following.result) or limit.value in defined:
            continue
        step, start = following.operands[1], _incoming(index, enters)
        if step.is_local:
            continue
        leaves = next(label for label in block.successors if label != block.label)
        is_next, stays = counter.value == following.result, block.terminator.labels.index(block.label)
        turns = (start, step, limit, question.detail, is_next, stays)
        return _Loop(block, enters, leaves, index, following, question, turns)
    return None


def _fused(function: Function, first: _Loop, between: Block, second: _Loop) -> Function | None:
    """Return the function with two loops as one; None if they must or should stay two."""
    if first.turns != second.turns or len(first.block.instructions) + len(second.block.instructions) > _MOST:
        return None
    needed = _needed(first, between, second)
    if needed is None or not all(map(_is_pure, between.instructions[:-1])):
        return None
    names, added = _merged(first, second)
    if (len(second.own) - len(added)) * _SHARED < len(second.own):
        return None
    sources = {between.label: first.enters, second.block.label: first.block.label}
    phis = [each.renamed({}, sources) for each in added if each.opcode == "phi"]
    body = [each for each in added if each.opcode != "phi"]
    before, turn = function.by_label[first.enters].instructions, first.block.instructions
    changed = {
        first.enters: [*before[:-1], *needed, before[-1]],
        first.block.label: [*phis, *turn[:-1], *body, turn[-1]],
        between.label: [
            *(each for each in between.instructions[:-1] if each not in needed),
            Instruction.parse(f"br label {second.leaves}"),
        ],
    }
    blocks = tuple(
        replace(block, instructions=tuple(changed.get(block.label, block.instructions)))
        for block in function.blocks
        if block is not second.block
    )
    fused = _renamed(replace(function, blocks=blocks), names, {second.block.label: between.label})
    return _joined(fused, between.label, second.leaves)


def _merged(first: _Loop, second: _Loop) -> tuple[dict[str, str], list[Instruction]]:
    """Return what the first loop calls the values of the second, and what it does not compute."""
    names = {second.index.result: first.index.result, second.following.result: first.following.result}
    known = {_meaning(each, {}): each.result for each in first.own}
    added = []
    for each in second.own:
        same = known.get(_meaning(each, names)) if each.opcode != "phi" else None
        if same is None:
            added.append(each)
        else:
            names[each.result] = same
    return names, added


def _needed(first: _Loop, between: Block, second: _Loop) -> Sequence[Instruction] | None:
    """Return what stands between two loops and the second needs; None if that cannot be done before the first."""
    computed = {each.result for each in first.block.instructions if each.result}
    ready = {each.result: each for each in between.instructions if each.result}
    wanted = [name for each in second.block.instructions for name in each.used]
    found = set[str]()
    while wanted:
        name = wanted.pop()
        if name in computed:
            return None
        if name in ready and name not in found:
            if not may_be_needless(ready[name]):
                return None
            found.add(name)
            wanted += ready[name].used
    return [each for each in between.instructions if each.result in found]


def _joined(function: Function, label: str, following: str) -> Function:
    """Make a block and the one behind it one, if no other leads there."""
    if function.predecessors[following] != [label]:
        return function
    block, behind = function.by_label[label], function.by_label[following]
    names = {each.result: each.operands[0].value for each in behind.phis}
    rest = [each for each in behind.instructions if each.opcode != "phi"]
    merged = replace(block, instructions=(*block.instructions[:-1], *rest))
    blocks = tuple(merged if each is block else each for each in function.blocks if each is not behind)
    return _renamed(replace(function, blocks=blocks), names, {following: label})


def _renamed(function: Function, names: Mapping[str, str], labels: Mapping[str, str]) -> Function:
    """Give values and sources of phis other names, and those that they got."""
    last = {name: _last(names, name) for name in names}
    return replace(
        function,
        blocks=tuple(
            replace(
                block,
                instructions=tuple(
                    each.renamed(last, labels if each.opcode == "phi" else {}) for each in block.instructions
                ),
            )
            for block in function.blocks
        ),
    )


def _last(names: Mapping[str, str], name: str) -> str:
    while name in names:
        name = names[name]
    return name


def _meaning(each: Instruction, names: Mapping[str, str]) -> str:
    """Return the text of what an instruction computes."""
    return NAME.sub(lambda found: names.get(found[0], found[0]), each.text.partition(" = ")[2])


def _incoming(phi: Instruction, label: str) -> Operand:
    return phi.operands[phi.labels.index(label)]


def _is_pure(each: Instruction) -> bool:
    """Return True if an instruction writes nothing, and reads nothing that others write while it runs."""
    return each.opcode == "phi" or (each.opcode == "load" and not each.flags) or not touches_memory(each)
