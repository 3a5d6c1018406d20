"""A finding of the sanitizer, told as a sentence that a person or a model can act on."""

import re
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

from metalsci.cpu_metal.commands import Dispatch
from metalsci.cpu_metal.errors import Finding
from metalsci.cpu_metal.sanitizer.sites import Site


class Kind(IntEnum):
    """As in runtime/check.h."""

    OUT_OF_BOUNDS = 1
    READ_ONLY = 2
    WILD_POINTER = 3
    INDEX_OUT_OF_BOUNDS = 4
    UNINITIALISED = 5
    DATA_RACE = 6
    DIVERGENT_BARRIER = 7
    MISALIGNED = 8
    NON_FINITE = 9
    DIVISION_BY_ZERO = 10


class _Flag(IntFlag):
    WRITE = 1
    OTHER_WRITE = 2
    ATOMIC = 4
    OTHER_ATOMIC = 8
    BARRIER = 16
    GROUPS = 32


@dataclass(frozen=True)
class Memory:
    """What an argument or a variable names: its bytes, and those of one element (0: that is not known)."""

    description: str
    name: str
    size: int
    element: int

    def place(self, offset: int, size: int) -> str:
        """`f_in[12]` for the bytes that an access touches."""
        element = self.element or size or 1
        text = f"{self.name}[{offset // element}]"
        return text if offset % element == 0 else f"{text} (byte {offset:,})"

    @property
    def in_threadgroup(self) -> bool:
        return self.description.startswith("threadgroup")

    def extent(self) -> str:
        """`buffer 0 'f_in' (1,024 elements, 4,096 bytes)`."""
        elements = f"{self.size // self.element:,} elements, " if self.element else ""
        return f"{self.description} ({elements}{self.size:,} bytes)"


@dataclass(frozen=True)
class Thread:
    """A thread's position in the grid and its threadgroup's, x first, in as many dimensions as the grid has."""

    position: tuple[int, ...]
    group: tuple[int, ...]

    @classmethod
    def of(cls, dispatch: Dispatch, group: int, index: int) -> Self:
        """From indices in the grid of groups and in the group, the x axis first."""
        grid = (*dispatch.threads, 1, 1)[:3]
        shape = (*dispatch.threadgroup, 1, 1)[:3]
        counts = [-(-n // g) for n, g in zip(grid, shape, strict=True)]
        at = (group % counts[0], group // counts[0] % counts[1], group // counts[0] // counts[1])
        sizes = [min(g, n - g * p) for g, n, p in zip(shape, grid, at, strict=True)]
        local = (index % sizes[0], index // sizes[0] % sizes[1], index // sizes[0] // sizes[1])
        dimensions = max((axis + 1 for axis in range(3) if grid[axis] > 1), default=1)
        position = tuple(g * p + i for g, p, i in zip(shape, at, local, strict=True))
        return cls(position[:dimensions], at[:dimensions])

    def __str__(self) -> str:
        return f"thread {_tuple(self.position)} of threadgroup {_tuple(self.group)}"


def _tuple(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(values) == 1 else f"({', '.join(map(str, values))})"


@dataclass(frozen=True)
class Found:
    """What was found first at a place in the source, and how often; fields as in runtime/check.h."""

    kind: Kind
    flags: int
    source: str
    kernel: str
    site: int
    other_site: int
    sites: tuple[Site, ...]
    memory: Memory | None
    offset: int
    size: int
    value: int
    thread: Thread
    other_thread: Thread
    count: int

    def told(self) -> Finding:
        line = self.site if self.kind is Kind.DIVERGENT_BARRIER else self.sites[self.site].line
        times = "" if self.count == 1 else f"; {self.count:,} times in all"
        sentence = f"{self.kernel}, line {line}: {_SENTENCES[self.kind](self)}{times}"
        undefined = self.kind not in (Kind.NON_FINITE, Kind.DIVISION_BY_ZERO)
        return Finding(sentence, self.kind.name.lower().replace("_", " "), line, undefined=undefined)


def _access(finding: Found) -> str:
    return _verb(finding.flags & _Flag.WRITE, finding.flags & _Flag.ATOMIC, "read", "write", "atomic operation")


def _verb(write: int, atomic: int, *words: str) -> str:
    return words[2] if atomic else words[1] if write else words[0]


def _place(finding: Found) -> str:
    return finding.memory.place(finding.offset, finding.size) if finding.memory else "memory"


def _out_of_bounds(finding: Found) -> str:
    memory = finding.memory
    if memory is None:
        return _wild(finding)
    side = "before the start" if finding.offset < 0 else "beyond the end"
    return f"{_access(finding)} of {_place(finding)}, {side} of {memory.extent()}, by {finding.thread}"


def _read_only(finding: Found) -> str:
    memory = finding.memory.description if finding.memory else "memory"
    return f"write to {_place(finding)}, though {memory} is declared const or constant, by {finding.thread}"


def _wild(finding: Found) -> str:
    access = _access(finding)
    return f"{access} through a pointer into no buffer and no threadgroup variable, by {finding.thread}"


def _index(finding: Found) -> str:
    site = finding.sites[finding.site]
    lines = finding.source.splitlines()
    text = lines[site.line - 1].encode()[site.column - 1 :] if 0 < site.line <= len(lines) else b""
    name = re.match(rb"[A-Za-z_]\w*", text)
    array = f"'{name[0].decode()}'" if name else "an array"
    shape = re.findall(r"'([^']*)'", site.what)
    kind = f", of type {re.sub('__[a-z]+ ', '', shape[-1])}" if shape else ""
    return f"index {finding.offset} is outside {array}{kind}; {finding.thread} ends here"


def _uninitialised(finding: Found) -> str:
    memory = finding.memory
    if memory is None:
        return "read of memory that nobody has written"
    why = (
        "threadgroup memory starts undefined"
        if memory.description.startswith("threadgroup")
        else "its content is undefined"
    )
    return f"read of {_place(finding)} of {memory.description}, which nobody has written ({why}), by {finding.thread}"


def _race(finding: Found) -> str:
    flags, memory = finding.flags, finding.memory
    does = _verb(flags & _Flag.WRITE, flags & _Flag.ATOMIC, "reads", "writes", "changes atomically")
    did = _verb(flags & _Flag.OTHER_WRITE, flags & _Flag.OTHER_ATOMIC, "reads", "writes", "changes atomically")
    where = f"{_place(finding)} of {memory.description}" if memory else "memory"
    earlier = f"{finding.other_thread} {did} it in line {finding.sites[finding.other_site].line}"
    text = f"data race on {where}: {finding.thread} {does} it here, and {earlier}"
    if flags & _Flag.GROUPS:
        return f"{text}; threadgroups of a dispatch run in any order, so only another dispatch can separate the two"
    orders = f"mem_flags::{'mem_threadgroup' if memory and memory.in_threadgroup else 'mem_device'}"
    if flags & _Flag.BARRIER:
        return f"{text}; the barrier between the two does not order this memory: it needs {orders}"
    return f"{text}, with no threadgroup_barrier({orders}) between the two"


def _returned(finding: Found) -> str:
    return (
        f"barrier in divergent control flow: {finding.thread} has returned before it while others of its threadgroup "
        "wait there; every thread of a threadgroup must come to each barrier"
    )


def _misaligned(finding: Found) -> str:
    memory = finding.memory.description if finding.memory else "memory"
    return (
        f"misaligned {_access(finding)} of {finding.size} bytes at byte {finding.offset:,} of {memory}: its type must "
        f"lie at a multiple of {finding.value} bytes; by {finding.thread}"
    )


def _non_finite(finding: Found) -> str:
    origin, stored = finding.sites[finding.site], finding.sites[finding.other_site]
    operation = f"'{origin.what}'" if origin.what else "an operation"
    line = "" if stored.line == origin.line else f" in line {stored.line}"
    outcome = f"{_VALUES[finding.value]} is stored in {_place(finding)}{line}, by {finding.thread}"
    return f"{operation} of finite values gives one that is not finite, and {outcome}"


def _division(finding: Found) -> str:
    return f"integer division by zero, by {finding.thread}"


_VALUES = ("inf", "-inf", "a NaN")
_SENTENCES = {
    Kind.OUT_OF_BOUNDS: _out_of_bounds,
    Kind.READ_ONLY: _read_only,
    Kind.WILD_POINTER: _wild,
    Kind.INDEX_OUT_OF_BOUNDS: _index,
    Kind.UNINITIALISED: _uninitialised,
    Kind.DATA_RACE: _race,
    Kind.DIVERGENT_BARRIER: _returned,
    Kind.MISALIGNED: _misaligned,
    Kind.NON_FINITE: _non_finite,
    Kind.DIVISION_BY_ZERO: _division,
}
