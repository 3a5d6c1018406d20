"""An order of a block's instructions that keeps few values alive, as a compiler looks for that is short of registers.

Of the instructions that can come next the one comes first that frees most registers, and of those that free as many one
that goes on with what has begun. Loads do not pass a store, an atomic operation or a barrier. Functions that a GPU has
instructions for touch no memory, though they are calls here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from metalsci.cpu_metal.profiler.counted_text import CountedInstruction
from metalsci.cpu_metal.profiler.kept_calls import is_computed


def in_frugal_order(
    instructions: Sequence[CountedInstruction], words: Mapping[str, int], alive_at_end: set[str]
) -> Sequence[CountedInstruction]:
    """Return the instructions of a block without vectors, each after those that it needs.

    words: registers that each value takes. alive_at_end: values that are needed after the block.
    """
    first = sum(1 for instruction in instructions if instruction.operation == "phi")
    return [*instructions[:first], *_Scheduler(instructions[first:], words, alive_at_end).order()]


class _Scheduler:
    """The instructions that can come next, by what they do to the number of registers."""

    def __init__(
        self, instructions: Sequence[CountedInstruction], words: Mapping[str, int], alive_at_end: set[str]
    ) -> None:
        self._instructions = instructions
        self._words = words
        self._kept = alive_at_end
        self._defined = {instruction.name for instruction in instructions}
        self._users: defaultdict[str, set[int]] = defaultdict(set)
        for place, instruction in enumerate(instructions):
            for name in instruction.operands:
                self._users[name].add(place)
        self._waiting = [0] * len(instructions)  # for so many others
        self._followers: list[list[int]] = [[] for _ in instructions]
        self._bind()

    def order(self) -> list[CountedInstruction]:
        ready = [(*self._growth(place), place) for place, count in enumerate(self._waiting) if not count]
        heapify(ready)
        done = [False] * len(self._instructions)
        ordered = []
        while ready:
            *growth, place = heappop(ready)
            if done[place]:
                continue
            now = self._growth(place)
            if now != tuple(growth):
                heappush(ready, (*now, place))
                continue
            done[place] = True
            instruction = self._instructions[place]
            ordered.append(instruction)
            for name in instruction.operands:
                users = self._users[name]
                users.discard(place)
                # Its last user frees it, which may be better now than it was.
                if len(users) == 1 and not self._waiting[last := next(iter(users))]:
                    heappush(ready, (*self._growth(last), last))
            for follower in self._followers[place]:
                self._waiting[follower] -= 1
                if not self._waiting[follower]:
                    heappush(ready, (*self._growth(follower), follower))
        return ordered

    def _growth(self, place: int) -> tuple[int, bool]:
        """Return the registers that an instruction takes, less those that it frees, and True if it begins something."""
        instruction = self._instructions[place]
        freed = sum(
            self._words.get(name, 0)
            for name in instruction.operands
            if len(self._users[name]) == 1 and name not in self._kept
        )
        return self._words.get(instruction.name, 0) - freed, not self._defined.intersection(instruction.operands)

    def _bind(self) -> None:
        """Note what each instruction waits for: its operands, and the order of memory."""
        defined: dict[str, int] = {}
        effect, loads = -1, list[int]()
        for place, instruction in enumerate(self._instructions):
            before = {defined[name] for name in instruction.operands if name in defined}
            if _has_effect(instruction):
                before.update(loads)
                loads = []
            if instruction.operation == "load" or _has_effect(instruction):
                before.update({effect} - {-1})
            if _has_effect(instruction):
                effect = place
            elif instruction.operation == "load":
                loads.append(place)
            if instruction.operation in ("br", "switch", "ret"):
                before.update(range(place))
            for other in before:
                self._followers[other].append(place)
            self._waiting[place] = len(before)
            if instruction.name:
                defined[instruction.name] = place


def _has_effect(instruction: CountedInstruction) -> bool:
    if instruction.operation == "call":
        return not is_computed(instruction.callee)
    return instruction.operation in ("store", "atomicrmw", "cmpxchg", "fence")
