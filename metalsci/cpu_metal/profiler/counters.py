"""The counts: plain numbers of one kernel's dispatches, and of each line of its source."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metalsci.cpu_metal.profiler.cycles import COMPLEX

CODE_CAPACITIES = (8 << 10, 12 << 10, 24 << 10)
"""Bytes of the caches of instructions that are counted."""


@dataclass(frozen=True)
class WaitPath:
    """A simdgroup's way through a kernel, as a chain of waits.

    chain: cycles of operations that wait for one another. near: waits for threadgroup memory. own: for a thread's own
    arrays. far: for device memory. misses: of those, for lines that a cache of 4, 16 or 64 lines did not hold. fetched:
    bytes of code that has run before and that a cache of each of CODE_CAPACITIES does not hold any more.
    """

    chain: float = 0.0
    near: float = 0.0
    own: float = 0.0
    far: float = 0.0
    misses: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fetched: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Traffic:
    """Accesses to device memory by simdgroups.

    issues: instructions. lanes: threads that took part. lines, sectors: of 128 and of 32 bytes, different ones in each
    access added up. misses: lines that a cache of 4, 16 or 64 lines did not hold. bytes: that threads asked for.
    """

    issues: float = 0.0
    lanes: float = 0.0
    lines: float = 0.0
    sectors: float = 0.0
    misses: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bytes: float = 0.0


@dataclass(frozen=True)
class Counters:
    """The counts of one dispatch: sampled threadgroups stand for all.

    instructions: of simdgroups, those that cost something. cycles: of issue slots, by kind of instruction. active:
    lanes at work in an executed block, on the average, weighted by its cycles. lane_cycles: cycles times lanes at work.
    unique: bytes of lines of device memory that are touched at all. near_issues, turns: accesses to threadgroup memory
    and turns of its busiest bank. atomics, collisions: atomic instructions, and lanes at their most wanted address.
    private: words of a thread's own arrays that simdgroups read and write. divergent: branches after which lanes went
    apart. critical: of the slowest simdgroup of a threadgroup, on the average. total: of all simdgroups. alive:
    executions of blocks by the words of 32 bits that a thread holds in them.
    spilled: words that simdgroups store and load again for want of registers, if a thread had as many as each of
    `liveness.BUDGETS`. reloaded: words that are loaded again instead. crowded: words as in spilled, if all loads
    of a block came first.
    """

    instructions: float
    cycles: Mapping[str, float]
    active: float
    lane_cycles: float
    loads: Traffic
    stores: Traffic
    unique: float
    near_issues: float
    near_lanes: float
    turns: float
    atomics: float
    atomic_lanes: float
    collisions: float
    private: float
    barriers: float
    branches: float
    divergent: float
    critical: WaitPath
    total: WaitPath
    alive: tuple[tuple[int, float], ...]
    spilled: tuple[float, ...]
    crowded: tuple[float, ...]
    reloaded: tuple[float, ...] = (0.0,) * 5

    @property
    def issue(self) -> float:
        """Cycles of issue slots, of all kinds, one after the other."""
        return sum(self.cycles.values())

    @property
    def busy(self) -> float:
        """Cycles of the busier of two pipelines: the complex one, whose instructions take 4 or more, and the others."""
        complicated = sum(self.cycles.get(kind.value, 0.0) for kind in COMPLEX)
        return max(complicated, self.issue - complicated * (1 - 1 / 4))


@dataclass(frozen=True)
class LineCounters:
    """The counts of one line of the source in one dispatch; as in `Counters`. line 0: instructions without a line."""

    line: int
    cycles: float
    instructions: float
    active: float
    loads: Traffic
    stores: Traffic
    near_issues: float
    turns: float
    atomics: float
    collisions: float
    branches: float
    divergent: float


@dataclass(frozen=True)
class DispatchProfile:
    """Dispatches of one kernel over one grid.

    dispatches: how many there are. counted: how many of them were. groups, counted_groups: threadgroups of one
    dispatch, and of all counted ones. registers: most words of 32 bits that a thread holds. code: bytes. private: bytes
    of those own arrays of a thread that are in no registers and that some thread uses. limit: threads that the kernel
    declares to have at most, None for nothing declared. steered: whether data that earlier dispatches wrote decide
    where threads go.
    """

    kernel: str
    dispatches: int
    counted: int
    threads: tuple[int, int, int]
    threadgroup: tuple[int, int, int]
    groups: int
    counted_groups: int
    registers: int
    code: int
    private: int
    threadgroup_memory: int
    limit: int | None
    steered: bool
    counters: Counters
    lines: tuple[LineCounters, ...] = field(repr=False)

    @property
    def group_threads(self) -> int:
        return self.threadgroup[0] * self.threadgroup[1] * self.threadgroup[2]


@dataclass(frozen=True)
class Profile:
    """Dispatches of a command buffer, those of one kernel over one grid together, in the order of their first ones.

    compiler: the LLVM whose optimiser made what was counted. The same compiler and inputs give the same counts.
    """

    dispatches: tuple[DispatchProfile, ...]
    compiler: str
