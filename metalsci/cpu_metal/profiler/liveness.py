"""Values that are alive at each point of a kernel: what a register allocator has to find room for."""

from collections.abc import Mapping, Sequence

from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction, incoming


def most_alive(body: CountedBody, words: Mapping[str, int]) -> dict[str, int]:
    """For each block, the most words of 32 bits that are alive at one point in it.

    words: registers that each value takes. Values that have none, such as addresses that an instruction adds up itself,
    are left out.
    """
    alive_at_end = _alive_at_end(body, words)
    most = {}
    for label, block in body.blocks.items():
        alive = set(alive_at_end[label])
        now = sum(words[name] for name in alive)
        highest = now
        for instruction in reversed(block.instructions):
            if instruction.name in alive:
                alive.discard(instruction.name)
                now -= words[instruction.name]
            if instruction.operation == "phi":
                continue
            for name in instruction.operands:
                if name in words and name not in alive:
                    alive.add(name)
                    now += words[name]
            highest = max(highest, now)
        most[label] = highest
    return most


def _alive_at_end(body: CountedBody, words: Mapping[str, int]) -> dict[str, set[str]]:
    used = {label: _used_before_defined(block.instructions, words) for label, block in body.blocks.items()}
    defined = {label: {i.name for i in block.instructions if i.name} for label, block in body.blocks.items()}
    from_phis: dict[str, set[str]] = {label: set() for label in body.blocks}
    for block in body.blocks.values():
        for instruction in block.instructions:
            if instruction.operation == "phi":
                for value, label in incoming(instruction):
                    if value in words and label in from_phis:
                        from_phis[label].add(value)
    end = {label: set(values) for label, values in from_phis.items()}
    start: dict[str, set[str]] = {label: set() for label in body.blocks}
    changed = True
    while changed:
        changed = False
        for label in reversed(list(body.blocks)):
            at_end = set(from_phis[label])
            for successor in body.blocks[label].successors:
                at_end |= start[successor]
            at_start = used[label] | (at_end - defined[label])
            if at_start != start[label] or at_end != end[label]:
                start[label], end[label] = at_start, at_end
                changed = True
    return end


def _used_before_defined(instructions: Sequence[CountedInstruction], words: Mapping[str, int]) -> set[str]:
    used: set[str] = set()
    defined: set[str] = set()
    for instruction in instructions:
        if instruction.operation != "phi":
            used |= {name for name in instruction.operands if name in words and name not in defined}
        if instruction.name:
            defined.add(instruction.name)
    return used
