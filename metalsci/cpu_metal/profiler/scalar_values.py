"""The same code without vectors: a GPU of Apple's has registers of one number, and instructions for one.

Vectors of LLVM's text become their elements. What only puts elements together, takes them apart or calls them by
another name is no instruction, and its result needs no register besides those of the elements.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.llvm.text import operands, split_type, typed
from metalsci.cpu_metal.compile.llvm.value_types import type_of
from metalsci.cpu_metal.profiler.counted_text import CountedBlock, CountedBody, CountedInstruction, incoming

_Elements = tuple[str, ...]  # names; empty for one that is constant or undefined
_INTRINSIC = re.compile(r"@llvm\.(?!vector|matrix|mem)\w")
_NUMBER = re.compile(r"i\d+ (\d+|poison|undef)")
_BY_ELEMENT = frozenset(
    {
        "fadd", "fsub", "fmul", "fdiv", "frem", "fneg", "add", "sub", "mul", "sdiv", "udiv", "srem", "urem", "and",
        "or", "xor", "shl", "lshr", "ashr", "icmp", "fcmp", "select", "fptosi", "fptoui", "sitofp", "uitofp", "zext",
        "sext", "trunc", "fpext", "fptrunc",
    }
)  # fmt: skip
_RENAMES = frozenset({"bitcast", "freeze", "fneg"})
"""Instructions that give a value another name or, where it is used, another sign."""


@dataclass(frozen=True)
class ScalarBody:
    """A body of which each value is one number.

    words: registers of 32 bits that each takes. shares: of each instruction, by its line in the module, the part of its
    price that one of those is due that stand for it here.
    """

    body: CountedBody
    words: Mapping[str, int]
    shares: Mapping[int, float]


def scalars_of(body: CountedBody, words: Mapping[str, int], width: Callable[[CountedInstruction], int]) -> ScalarBody:
    """Split vectors into elements.

    words: registers that each value takes, without those that need none. width: elements of an instruction's result.
    """
    values = _Values(body, width)
    every = {
        label: [scalar for each in block.instructions for scalar in _scalars(each, values)]
        for label, block in body.blocks.items()
    }
    needed = _needed(every.values())
    blocks = {}
    for label, instructions in every.items():
        kept = [each for each in instructions if not each.name or each.name in needed]
        blocks[label] = CountedBlock(label, kept, body.blocks[label].successors)
    shares = _shares([each for block in blocks.values() for each in block.instructions], values)
    split: dict[str, int] = {}
    for name, size in words.items():
        own = values.own(name)
        split.update((element, max(1, size // len(own))) for element in own)
    return ScalarBody(replace(body, blocks=blocks), split, shares)


def _shares(scalars: Sequence[CountedInstruction], values: "_Values") -> dict[int, float]:
    parts = Counter(each.index for each in scalars)
    return {
        each.index: 1 / (values.width(each) if is_by_element(each) and each.name else parts[each.index])
        for each in scalars
    }


def _needed(blocks: Iterable[Sequence[CountedInstruction]]) -> set[str]:
    """Return the values that something needs: of a vector of four that holds three, one element is nobody's."""
    defined = {each.name: each for instructions in blocks for each in instructions if each.name}
    waiting = [each for instructions in blocks for each in instructions if not _is_pure(each)]
    needed = {each.name for each in waiting}
    while waiting:
        for name in waiting.pop().operands:
            if name in defined and name not in needed:
                needed.add(name)
                waiting.append(defined[name])
    return needed


def _is_pure(instruction: CountedInstruction) -> bool:
    """Return True if an element that nobody needs costs nothing."""
    return instruction.operation in ("phi", "load", "getelementptr") or is_by_element(instruction)


def is_by_element(instruction: CountedInstruction) -> bool:
    """Return True if a GPU needs an instruction for each element of the result."""
    return instruction.operation in _BY_ELEMENT or _INTRINSIC.search(instruction.text) is not None


class _Values:
    """The elements of each value, by its name."""

    def __init__(self, body: CountedBody, width: Callable[[CountedInstruction], int]) -> None:
        self._defined = {i.name: i for block in body.blocks.values() for i in block.instructions if i.name}
        self._width = width
        self._known: dict[str, _Elements] = {}

    def width(self, scalar: CountedInstruction) -> int:
        """Return the elements of the instruction that a scalar stands for."""
        return max(1, self._width(scalar))

    def own(self, name: str) -> _Elements:
        """Return the elements that an instruction makes; empty if it makes none of its own."""
        if self._source(self._defined[name]) is not None:
            return ()
        return _named(name, self._width(self._defined[name]))

    def elements(self, name: str) -> _Elements:
        """Return a value's elements by the names of the instructions that make them."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            instruction = self._defined.get(current)
            needed = self._source(instruction) if instruction else None
            missing = [each for each in needed or () if each not in self._known]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if current not in self._known:
                self._known[current] = self._resolved(current, instruction, needed)
        return self._known[name]

    def _resolved(self, name: str, instruction: CountedInstruction | None, source: Sequence[str] | None) -> _Elements:
        if instruction is None:
            return (name,)
        if source is None:
            return _named(name, self._width(instruction))
        found = {each: self._known[each] for each in source}
        return _rearranged(instruction, found, self._width(instruction))

    def _source(self, instruction: CountedInstruction) -> Sequence[str] | None:
        """Return the values whose elements an instruction only rearranges; None for one that makes new ones."""
        operation = instruction.operation
        if operation in ("shufflevector", "insertelement", "extractelement"):
            if operation != "shufflevector" and _place(instruction) is None:
                return None
            return instruction.operands
        if not _renames(instruction):
            return None
        return instruction.operands


def _renames(instruction: CountedInstruction) -> bool:
    """Return True if the result is in the register of the operand: an address takes an index of 32 bits as it is."""
    if len(instruction.operands) != 1:
        return False
    before, after = type_of(split_type(instruction.rest)[0]), instruction.rest.rpartition(" to ")[2]
    if instruction.operation in ("zext", "sext"):
        return before.element == "i32" and after == "i64"
    return instruction.operation in _RENAMES and (
        instruction.operation != "bitcast" or before.count == type_of(after).count
    )


def _named(name: str, count: int) -> _Elements:
    if count <= 1:
        return (name,)
    return tuple(f"{name}.{element}" for element in range(count))


def _place(instruction: CountedInstruction) -> int | None:
    """Return the constant place of an element that is put in or taken out."""
    place = typed(operands(instruction.rest)[-1])[1]
    if place.isdigit():
        return int(place)
    return None


def _rearranged(instruction: CountedInstruction, found: Mapping[str, _Elements], count: int) -> _Elements:
    given = [typed(operand) for operand in operands(instruction.rest)]
    operation, place = instruction.operation, 0
    if operation not in ("shufflevector", "insertelement", "extractelement"):
        return next(iter(found.values()))
    vector = _padded(found.get(given[0][1], ()), type_of(given[0][0]).count)
    if operation == "extractelement":
        place = _place(instruction) or 0
        return (vector[place],) if place < len(vector) else ("",)
    if operation == "insertelement":
        place = _place(instruction) or 0
        element = found.get(given[1][1], ("",))[0]
        return (*vector[:place], element, *vector[place + 1 :])
    both = (*vector, *_padded(found.get(given[1][1], ()), type_of(given[1][0]).count))
    return tuple(both[i] if i is not None and i < len(both) else "" for i in _mask(instruction, count))


def _padded(elements: _Elements, count: int) -> _Elements:
    """Fill up with constants."""
    return (*elements, *[""] * (count - len(elements)))


def _mask(instruction: CountedInstruction, count: int) -> Sequence[int | None]:
    mask = typed(operands(instruction.rest)[2])[1]
    numbers = [int(number) if number.isdigit() else None for number in _NUMBER.findall(mask)]
    if mask == "zeroinitializer":
        return [0] * count
    if len(numbers) == 1:
        return numbers * count
    return (numbers + [None] * count)[:count]


def _scalars(instruction: CountedInstruction, values: _Values) -> Iterator[CountedInstruction]:
    """Yield an instruction for each element of the result; none if elements are only rearranged."""
    name = instruction.name
    own = values.own(name) if name else ("",)
    if not own:
        return
    if instruction.operation == "phi":
        yield from _phis(instruction, own, values)
        return
    used = [values.elements(each) for each in instruction.operands]
    apart = is_by_element(instruction)
    for number, element in enumerate(own):
        if apart and len(own) > 1:
            taken = [each[number] if len(each) == len(own) else each[0] for each in used]
        else:
            taken = [one for each in used for one in each]
        yield replace(instruction, name=element, operands=tuple(dict.fromkeys(filter(None, taken))))


def _phis(instruction: CountedInstruction, own: _Elements, values: _Values) -> Iterator[CountedInstruction]:
    pairs = [(values.elements(value), label) for value, label in incoming(instruction) if value.startswith("%")]
    for number, element in enumerate(own):
        chosen = [(each[number], label) for each, label in pairs if len(each) == len(own) and each[number]]
        text = "phi " + ", ".join(f"[ {value}, {label} ]" for value, label in chosen)
        taken = tuple(dict.fromkeys(value for value, _ in chosen))
        yield replace(instruction, name=element, text=text, operands=taken)
