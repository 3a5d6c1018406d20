"""Values that are alive at each point of a kernel: a register allocator has to find room for them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from metalsci.cpu_metal.compile.symbols import WAITS
from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction, incoming

BUDGETS = (40, 52, 88, 104, 120)
"""Registers of a thread for which spills are told."""


def most_alive(body: CountedBody, words: Mapping[str, int], alive_at_end: Mapping[str, set[str]]) -> dict[str, int]:
    """Return for each block the most words of 32 bits that are alive at one point in it.

    words: registers that each value takes. Values that have none, such as addresses that an instruction adds up itself,
    are left out.
    """
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


def alive_at_ends(body: CountedBody, words: Mapping[str, int]) -> dict[str, set[str]]:
    """Return for each block the values that are needed after it."""
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


@dataclass(frozen=True)
class Shortage:
    """Extra traffic of one execution of a block for want of registers.

    spilled: words that are stored and loaded again. reloaded: words that are loaded again where a load found them:
    they need not be stored.
    """

    spilled: int
    reloaded: int

    @property
    def words(self) -> int:
        return self.spilled + self.reloaded


def shortages(
    instructions: Sequence[CountedInstruction],
    words: Mapping[str, int],
    alive_at_end: set[str],
    loads: Collection[str],
) -> tuple[Shortage, ...]:
    """Return what a block does for want of registers, for each of BUDGETS.

    loads: values that come from memory which other threads see.
    The value whose next use is furthest away gives up its register: no allocator does with fewer spills (Belady).
    Values that the block does not use have been stored before it.
    """
    uses = _uses(instructions, words, alive_at_end)
    return tuple(_shortage(instructions, words, alive_at_end, loads, uses, budget) for budget in BUDGETS)


def crowded_words(
    instructions: Sequence[CountedInstruction], words: Mapping[str, int], alive_at_end: set[str]
) -> tuple[int, ...]:
    """Return the same counts for a compiler that moves all loads of a block up, to wait for them once.

    They go to its start, or to the barrier before them.
    """
    counts = [0] * len(BUDGETS)
    needed = set(alive_at_end)
    for section in reversed(_between_barriers(instructions)):
        for place, count in enumerate(_crowded(section, words, needed)):
            counts[place] += count
        needed |= {name for each in section if each.operation != "phi" for name in each.operands if name in words}
        needed -= {each.name for each in section}
    return tuple(counts)


def _between_barriers(instructions: Sequence[CountedInstruction]) -> Sequence[Sequence[CountedInstruction]]:
    sections: list[list[CountedInstruction]] = [[]]
    for each in instructions:
        sections[-1].append(each)
        if each.callee in WAITS:
            sections.append([])
    return sections


def _crowded(
    instructions: Sequence[CountedInstruction], words: Mapping[str, int], alive_at_end: set[str]
) -> tuple[int, ...]:
    defined = {instruction.name for instruction in instructions}
    used = {name for i in instructions if i.operation != "phi" for name in i.operands if name in words}
    at_start = sum(words[name] for name in (used | alive_at_end) - defined)
    at_start += sum(words.get(i.name, 0) for i in instructions if i.operation == "phi")
    loaded = sum(words.get(i.name, 0) for i in instructions if i.operation == "load")
    return tuple(2 * min(loaded, max(0, at_start + loaded - budget)) for budget in BUDGETS)


def _uses(
    instructions: Sequence[CountedInstruction], words: Mapping[str, int], alive_at_end: set[str]
) -> dict[str, list[int]]:
    """Return the places where each value is used, last first; the end of the block for values needed after it."""
    uses: dict[str, list[int]] = {name: [len(instructions)] for name in alive_at_end}
    for place in range(len(instructions) - 1, -1, -1):
        if instructions[place].operation != "phi":
            for name in instructions[place].operands:
                if name in words:
                    uses.setdefault(name, []).append(place)
    return uses


class _Registers:
    """Values in registers. The one that is needed last gives up its register."""

    def __init__(
        self, budget: int, words: Mapping[str, int], loads: Collection[str], uses: Mapping[str, list[int]]
    ) -> None:
        self._left = budget
        self._words = words
        self._loads = loads
        self._uses = {name: list(places) for name, places in uses.items()}
        self._held: dict[str, int] = {}  # by their next use
        self._queue: list[tuple[int, str]] = []
        self._in_memory: set[str] = set()
        self.spilled = 0
        self.reloaded = 0

    def use(self, name: str, place: int) -> None:
        if name not in self._held:
            if name in self._loads:
                self.reloaded += self._words[name]
            else:
                self.spilled += self._words[name]
            self._in_memory.add(name)
            self.hold(name)
        self._pass(name, place)

    def hold(self, name: str) -> None:
        """Give a value a register; one that nobody needs is forgotten at once."""
        places = self._uses.get(name)
        if name in self._held or not places:
            return
        self._held[name] = places[-1]
        heappush(self._queue, (-places[-1], name))
        self._left -= self._words[name]
        while self._left < 0 and self._queue:
            self._give_up()

    def known(self, name: str) -> None:
        """Note that memory has a value already."""
        self._in_memory.add(name)

    def _pass(self, name: str, place: int) -> None:
        places = self._uses[name]
        while places and places[-1] <= place:
            places.pop()
        if name not in self._held:
            return
        if places:
            self._held[name] = places[-1]
            heappush(self._queue, (-places[-1], name))
        else:
            del self._held[name]
            self._left += self._words[name]

    def _give_up(self) -> None:
        use, name = heappop(self._queue)
        if self._held.get(name) != -use:
            return
        del self._held[name]
        self._left += self._words[name]
        if name not in self._in_memory and name not in self._loads:
            self._in_memory.add(name)
            self.spilled += self._words[name]


def _shortage(
    instructions: Sequence[CountedInstruction],
    words: Mapping[str, int],
    alive_at_end: set[str],
    loads: Collection[str],
    uses: Mapping[str, list[int]],
    budget: int,
) -> Shortage:
    defined = {instruction.name for instruction in instructions}
    registers = _Registers(budget, words, loads, uses)
    before = [name for name in uses if name not in defined]
    for name in sorted(before, key=lambda name: (uses[name][-1], name)):
        registers.known(name)
        registers.hold(name)
    for place, instruction in enumerate(instructions):
        if instruction.operation != "phi":
            for name in instruction.operands:
                if name in words:
                    registers.use(name, place)
        if instruction.name in words:
            registers.hold(instruction.name)
    return Shortage(registers.spilled, registers.reloaded)
