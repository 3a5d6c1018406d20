"""A finding of the sanitizer as a sentence that a person or a model can act on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Self

from metalsci.cpu_metal.execute.commands import Dispatch
from metalsci.cpu_metal.sanitizer.sites import Site
from metalsci.msl.diagnostics import Finding


class FindingKind(IntEnum):
    """Kind of a finding, as in runtime/check.h."""

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
    UNWATCHED = 11
    INACTIVE_LANE = 12
    UNSET_VARIABLE = 13


class _Flag(IntFlag):
    WRITE = 1
    OTHER_WRITE = 2
    ATOMIC = 4
    OTHER_ATOMIC = 8
    BARRIER = 16
    GROUPS = 32
    STACK = 64
    APART = 128
    OF_INFINITIES = 256


ATOMIC = int(_Flag.ATOMIC)


@dataclass(frozen=True)
class Memory:
    """Memory of an argument or a variable: its bytes, and those that each of its indices counts, if it has any."""

    description: str
    name: str
    size: int
    strides: tuple[int, ...]

    def place(self, offset: int) -> str:
        """Name the first of the bytes of an access: `f_in[12]`, `tile[1][3]`, `byte 4 of v[2]`."""
        indices = []
        for stride in self.strides if 0 <= offset < self.size else self.strides[-1:]:
            indices.append(offset // stride)
            offset %= stride
        text = self.name + "".join(f"[{index}]" for index in indices)
        if offset == 0:
            return text
        return f"byte {offset:,} of {text}"

    @property
    def in_threadgroup(self) -> bool:
        return self.description.startswith("threadgroup")

    def extent(self) -> str:
        """Describe the memory: `buffer 0 'f_in' (1,024 elements, 4,096 bytes)`."""
        if self.strides:
            elements = f"{self.size // self.strides[-1]:,} elements, "
        else:
            elements = ""
        return f"{self.description} ({elements}{self.size:,} bytes)"


@dataclass(frozen=True)
class Thread:
    """A thread's position in the grid and its threadgroup's, x first, in as many dimensions as the grid has."""

    position: tuple[int, ...]
    group: tuple[int, ...]

    @classmethod
    def of(cls, dispatch: Dispatch, group: int, index: int) -> Self:
        """Make one from indices in the grid of groups and in the group, the x axis first."""
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
    if len(values) == 1:
        return str(values[0])
    return f"({', '.join(map(str, values))})"


@dataclass(frozen=True)
class Found:
    """The first finding at a place in the source, and how often it came; fields as in runtime/check.h."""

    kind: FindingKind
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
    other_lines: tuple[int, ...] = ()
    """Other places at which the same mistake shows."""

    @property
    def line(self) -> int:
        if self.kind is FindingKind.DIVERGENT_BARRIER:
            return self.site
        return self.sites[self.site].line

    @property
    def other_line(self) -> int:
        if self.kind is FindingKind.DIVERGENT_BARRIER:
            return self.other_site
        return self.sites[self.other_site].line

    @property
    def mistake(self) -> tuple[object, ...]:
        """Key that several findings of one mistake share."""
        name = self.memory.name if self.memory else ""
        if self.kind is FindingKind.DATA_RACE:
            lines = frozenset((self.line, self.other_line))
            return (self.kind, self.kernel, lines, name, self.flags & (_Flag.GROUPS | _Flag.BARRIER))
        if self.kind is FindingKind.UNINITIALISED:
            return (self.kind, self.kernel, name)
        return (self.kind, self.kernel, self.site, self.other_site, self.flags, name)

    def with_another(self, finding: Self) -> Self:
        """Return this finding, counting one more of the same mistake."""
        known = {self.line, *self.other_lines}
        also = () if self.kind is not FindingKind.UNINITIALISED or finding.line in known else (finding.line,)
        return replace(self, count=self.count + finding.count, other_lines=self.other_lines + also)

    def told(self) -> Finding:
        if self.count == 1:
            times = ""
        else:
            times = f"; {self.count:,} times in all"
        if self.other_lines:
            times += f", also in line {' and '.join(map(str, self.other_lines[:_LINES]))}"
            times += " and others" if len(self.other_lines) > _LINES else ""
        sentence = f"{self.kernel}, line {self.line}: {_SENTENCES[self.kind](self)}{times}"
        undefined = self.kind not in (FindingKind.NON_FINITE, FindingKind.DIVISION_BY_ZERO, FindingKind.UNWATCHED)
        return Finding(sentence, self.kind.name.lower().replace("_", " "), self.line, undefined=undefined)


def merged(findings: Iterable[Found]) -> list[Found]:
    """Merge findings: keep the first of each mistake. A value read too early because of a race is no other mistake."""
    findings = list(findings)
    races = [found for found in findings if found.kind is FindingKind.DATA_RACE]
    racing = {line for found in races for line in (found.line, found.other_line)}
    first: dict[tuple[object, ...], Found] = {}
    for found in findings:
        if found.kind is FindingKind.UNINITIALISED and found.line in racing:
            continue
        known = first.get(found.mistake)
        if known is None:
            first[found.mistake] = found
        else:
            first[found.mistake] = known.with_another(found)
    return list(first.values())


def _access(finding: Found) -> str:
    return _verb(
        finding.flags & _Flag.WRITE, finding.flags & _Flag.ATOMIC, "read of", "write to", "atomic operation on"
    )


def _verb(write: int, atomic: int, *words: str) -> str:
    if atomic:
        return words[2]
    if write:
        return words[1]
    return words[0]


def _place(finding: Found) -> str:
    if finding.memory:
        return finding.memory.place(finding.offset)
    return "memory"


def _out_of_bounds(finding: Found) -> str:
    memory = finding.memory
    if memory is None:
        return _wild(finding)
    if finding.offset < 0:
        side = "before the start"
    else:
        side = "beyond the end"
    return f"{_access(finding)} {_place(finding)}, {side} of {memory.extent()}, by {finding.thread}"


def _read_only(finding: Found) -> str:
    if finding.memory:
        memory = finding.memory.description
    else:
        memory = "memory"
    return f"write to {_place(finding)}, though {memory} is declared const or constant, by {finding.thread}"


def _wild(finding: Found) -> str:
    if finding.flags & _Flag.STACK:
        where = "a pointer into another thread's own variables"
    else:
        where = "a pointer into no buffer and no threadgroup variable"
    return f"{_access(finding)} memory through {where}, by {finding.thread}"


def _index(finding: Found) -> str:
    site = finding.sites[finding.site]
    lines = finding.source.splitlines()
    if 0 < site.line <= len(lines):
        text = lines[site.line - 1].encode()[site.column - 1 :]
    else:
        text = b""
    name = re.match(rb"[A-Za-z_]\w*", text)
    array = f"'{name[0].decode()}'" if name else "an array"
    shape = re.findall(r"'([^']*)'", site.what)
    if shape:
        kind = f", of type {_METAL.sub('', shape[0 if 'vector of' in site.what else -1])}"
    else:
        kind = ""
    return f"index {finding.offset} is outside {array}{kind}; {finding.thread} ends here"


def _uninitialised(finding: Found) -> str:
    memory = finding.memory
    if memory:
        description = f" of {memory.description}"
    else:
        description = ""
    if memory and memory.in_threadgroup:
        why = "threadgroup memory starts undefined"
    else:
        why = "a buffer that the host has not filled starts undefined"
    return f"{_access(finding)} {_place(finding)}{description}, which nobody has written ({why}), by {finding.thread}"


def _race(finding: Found) -> str:
    flags, memory = finding.flags, finding.memory
    does = _verb(flags & _Flag.WRITE, flags & _Flag.ATOMIC, *_DOES)
    did = _verb(flags & _Flag.OTHER_WRITE, flags & _Flag.OTHER_ATOMIC, *_DOES)
    if memory:
        where = f"{_place(finding)} of {memory.description}"
    else:
        where = "memory"
    if finding.line == finding.other_line:
        line = "here too"
    else:
        line = f"in line {finding.other_line}"
    text = f"data race on {where}: {finding.thread} {does} here, and {finding.other_thread} {did} {line}"
    if flags & _Flag.GROUPS:
        return (
            f"{text}; threadgroups of a dispatch run at the same time and in any order, so only a further dispatch can "
            "separate the two"
        )
    orders = f"mem_flags::{'mem_threadgroup' if memory and memory.in_threadgroup else 'mem_device'}"
    if flags & _Flag.BARRIER:
        return f"{text}; the barrier between the two does not order this memory: it needs {orders}"
    return f"{text}, with no threadgroup_barrier({orders}) between the two"


def _divergent(finding: Found) -> str:
    if finding.flags & _Flag.APART:
        what = f"{finding.thread} waits here, and {finding.other_thread} at the barrier in line {finding.other_line}"
    else:
        what = f"{finding.thread} has ended without coming here, where others of its threadgroup wait"
    return (
        f"barrier in divergent control flow: {what}; every thread of a threadgroup must come to each barrier, those "
        "without work too"
    )


def _misaligned(finding: Found) -> str:
    if finding.memory:
        memory = finding.memory.description
    else:
        memory = "memory"
    return (
        f"misaligned {_access(finding)} {finding.size} bytes at byte {finding.offset:,} of {memory}, by "
        f"{finding.thread}: a value of this type must lie at a multiple of {finding.value} bytes, unless it is packed"
    )


def _non_finite(finding: Found) -> str:
    origin = finding.sites[finding.site]
    if origin.what in _OPERATORS:
        operation = f"'{origin.what}'"
    else:
        operation = origin.what or "an operation"
    if finding.other_line == origin.line:
        line = ""
    else:
        line = f" in line {finding.other_line}"
    outcome = f"{_VALUES[min(finding.value, 2)]} is stored in {_place(finding)}{line}, by {finding.thread}"
    if finding.flags & _Flag.OF_INFINITIES:
        return f"{operation} of infinities, or of one and zero, gives a NaN, and {outcome}"
    return f"{operation} of finite values gives one that is not finite, and {outcome}"


def _division(finding: Found) -> str:
    return f"integer {finding.sites[finding.site].what} by zero, which gives no defined value, by {finding.thread}"


def _inactive(finding: Found) -> str:
    return (
        f"results depend on a value that {finding.thread} reads from lane {finding.offset} of its simdgroup, which is "
        "not active here and so has none: it has ended, is in another branch, or lies beyond the end of the threadgroup"
    )


def _unset(finding: Found) -> str:
    return (
        f"results depend on the variable declared here before it has a value, in {finding.thread} among others: give "
        "it one"
    )


def _unwatched(finding: Found) -> str:
    if finding.memory:
        memory = finding.memory.extent()
    else:
        memory = "a buffer"
    return (
        f"{memory} is too large to be watched: data races and reads of undefined content in it are not found; check a "
        "smaller problem"
    )


_LINES = 3
_METAL = re.compile(r"__[a-z]+ |_metal_")
_DOES = ("reads it", "writes it", "changes it atomically")
_OPERATORS = ("+", "-", "*", "/")
_VALUES = ("inf", "-inf", "a NaN")
_SENTENCES = {
    FindingKind.OUT_OF_BOUNDS: _out_of_bounds,
    FindingKind.READ_ONLY: _read_only,
    FindingKind.WILD_POINTER: _wild,
    FindingKind.INDEX_OUT_OF_BOUNDS: _index,
    FindingKind.UNINITIALISED: _uninitialised,
    FindingKind.DATA_RACE: _race,
    FindingKind.DIVERGENT_BARRIER: _divergent,
    FindingKind.MISALIGNED: _misaligned,
    FindingKind.NON_FINITE: _non_finite,
    FindingKind.DIVISION_BY_ZERO: _division,
    FindingKind.UNWATCHED: _unwatched,
    FindingKind.INACTIVE_LANE: _inactive,
    FindingKind.UNSET_VARIABLE: _unset,
}
