"""From the runtime's tables to counters: costs of blocks times their executions, scaled to a whole dispatch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.profiler.counted_build import CountedBuild
from metalsci.cpu_metal.profiler.counters import Counters, LineCounters, Traffic, WaitPath
from metalsci.cpu_metal.profiler.instrument import LOAD, STORE
from metalsci.cpu_metal.profiler.liveness import BUDGETS
from metalsci.cpu_metal.profiler.profiled import ProfiledDispatch

_LINE = 128  # bytes
_Column = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Tables:
    """The sum of several dispatches' tables, columns by name. scale: from the counted part to one dispatch."""

    blocks: Mapping[str, _Column]
    sites: Mapping[str, _Column]
    critical: WaitPath
    total: WaitPath
    barriers: float
    unique: float
    scale: float


def tally(
    build: CountedBuild, runs: Sequence[ProfiledDispatch], groups: int
) -> tuple[Counters, tuple[LineCounters, ...]]:
    """Compute the counters of one dispatch of `groups` threadgroups, and of each line."""
    tables = _added(runs, groups)
    return _counters(build, tables), tuple(_lines(build, tables))


def own_bytes(build: CountedBuild, runs: Sequence[ProfiledDispatch]) -> int:
    """Return the bytes of a thread's own arrays in the code that ran: other variants of a template use none."""
    executions = _columns([run.blocks for run in runs], ("executions",))["executions"]
    used = {place for block, times in zip(build.blocks, executions, strict=True) if times for place in block.arrays}
    return sum(build.arrays[place] for place in used)


def _added(runs: Sequence[ProfiledDispatch], groups: int) -> _Tables:
    counted = sum(run.groups for run in runs)
    unique = sum(_unique(run, groups) for run in runs) / len(runs)
    names = [name for name in runs[0].sites.dtype.names or () if name not in ("kind", "bytes", "level", "unused")]
    return _Tables(
        blocks=_columns([run.blocks for run in runs], ("executions", "lanes", "divergent")),
        sites=_columns([run.sites for run in runs], names),
        critical=_path((run.head["critical"] for run in runs), 1 / counted),
        total=_path((run.head["total"] for run in runs), groups / counted),
        barriers=sum(float(run.head["barriers"]) for run in runs) * groups / counted,
        unique=unique * _LINE,
        scale=groups / counted,
    )


def _columns(tables: Sequence[Any], names: Sequence[str]) -> dict[str, _Column]:
    return {name: np.sum([table[name].astype(np.float64) for table in tables], axis=0) for name in names}


def _unique(run: ProfiledDispatch, groups: int) -> float:
    """Return the lines that a whole dispatch touches: scaled by its groups, but no more than a buffer has."""
    scale = groups / run.groups
    return float(sum(min(touched * scale, lines) for touched, lines in run.unique()))


def _path(records: Iterable[np.void], scale: float) -> WaitPath:
    total = np.zeros(10)
    for record in records:
        plain = (float(record[name]) for name in ("chain", "near", "own", "far"))
        total += [*plain, *record["misses"], *record["fetched"]]
    chain, near, own, far, a, b, c, *fetched = (float(value) * scale for value in total)
    return WaitPath(chain, near, own, far, (a, b, c), (fetched[0], fetched[1], fetched[2]))


def _counters(build: CountedBuild, tables: _Tables) -> Counters:
    executions = tables.blocks["executions"] * tables.scale
    lanes = tables.blocks["lanes"] * tables.scale
    cycles: defaultdict[str, float] = defaultdict(float)
    alive: defaultdict[int, float] = defaultdict(float)
    spilled, reloaded, crowded = np.zeros((3, len(BUDGETS)))
    instructions = lane_cycles = private = branches = divergent = 0.0
    for block, times, at_work, apart in zip(
        build.blocks, executions, lanes, tables.blocks["divergent"] * tables.scale, strict=True
    ):
        for kind, cost in block.kinds.items():
            cycles[kind] += cost * times
        instructions += block.instructions * times
        lane_cycles += sum(block.kinds.values()) * at_work
        private += block.private * times
        alive[block.alive] += float(times)
        spilled += np.array(block.spilled) * times
        reloaded += np.array(block.reloaded) * times
        crowded += np.array(block.crowded) * times
        if block.branch:
            branches += times
            divergent += apart
    issue = sum(cycles.values())
    every = range(len(build.sites))
    atomics = [i for i in every if build.sites[i].kind not in (LOAD, STORE)]
    sites = tables.sites
    return Counters(
        instructions=float(instructions),
        cycles={kind: float(value) for kind, value in sorted(cycles.items())},
        active=float(lane_cycles / issue) if issue else 0.0,
        lane_cycles=float(lane_cycles),
        loads=_traffic(build, tables, [i for i in every if build.sites[i].kind == LOAD]),
        stores=_traffic(build, tables, [i for i in every if build.sites[i].kind == STORE]),
        unique=tables.unique,
        near_issues=float(sites["near_issues"].sum()) * tables.scale,
        near_lanes=float(sites["near_lanes"].sum()) * tables.scale,
        turns=float(sites["turns"].sum()) * tables.scale,
        atomics=float((sites["issues"][atomics] + sites["near_issues"][atomics]).sum()) * tables.scale,
        atomic_lanes=float((sites["lanes"][atomics] + sites["near_lanes"][atomics]).sum()) * tables.scale,
        collisions=float(sites["collisions"].sum()) * tables.scale,
        private=float(private) + float(sites["own_issues"].sum()) * tables.scale,
        barriers=tables.barriers,
        branches=float(branches),
        divergent=float(divergent),
        critical=tables.critical,
        total=tables.total,
        alive=tuple((words, float(times)) for words, times in sorted(alive.items())),
        spilled=tuple(float(words) for words in spilled),
        crowded=tuple(float(words) for words in crowded),
        reloaded=tuple(float(words) for words in reloaded),
    )


def _traffic(build: CountedBuild, tables: _Tables, chosen: Sequence[int]) -> Traffic:
    index = list(chosen)
    sites, scale = tables.sites, tables.scale
    misses = sites["misses"][index].reshape(-1, 3).sum(axis=0) * scale
    return Traffic(
        issues=float(sites["issues"][index].sum()) * scale,
        lanes=float(sites["lanes"][index].sum()) * scale,
        lines=float(sites["lines"][index].sum()) * scale,
        sectors=float(sites["sectors"][index].sum()) * scale,
        misses=(float(misses[0]), float(misses[1]), float(misses[2])),
        bytes=float(sum(sites["lanes"][i] * build.sites[i].bytes for i in index)) * scale,
    )


def _lines(build: CountedBuild, tables: _Tables) -> Iterable[LineCounters]:
    cycles: defaultdict[int, float] = defaultdict(float)
    lane_cycles: defaultdict[int, float] = defaultdict(float)
    instructions: defaultdict[int, float] = defaultdict(float)
    branches: defaultdict[int, float] = defaultdict(float)
    divergent: defaultdict[int, float] = defaultdict(float)
    for index, block in enumerate(build.blocks):
        times = float(tables.blocks["executions"][index]) * tables.scale
        at_work = float(tables.blocks["lanes"][index]) * tables.scale
        for line in block.lines:
            cycles[line.line] += line.cycles * times
            lane_cycles[line.line] += line.cycles * at_work
            instructions[line.line] += line.instructions * times
        if block.branch:
            branches[block.branch] += times
            divergent[block.branch] += float(tables.blocks["divergent"][index]) * tables.scale
    of_line: defaultdict[int, list[int]] = defaultdict(list)
    for index, site in enumerate(build.sites):
        of_line[site.line].append(index)
    for line_number in sorted({*cycles, *of_line}):
        here = of_line[line_number]
        atomic = [i for i in here if build.sites[i].kind not in (LOAD, STORE)]
        sites, scale = tables.sites, tables.scale
        yield LineCounters(
            line=line_number,
            cycles=cycles[line_number],
            instructions=instructions[line_number],
            active=lane_cycles[line_number] / cycles[line_number] if cycles[line_number] else 0.0,
            loads=_traffic(build, tables, [i for i in here if build.sites[i].kind == LOAD]),
            stores=_traffic(build, tables, [i for i in here if build.sites[i].kind == STORE]),
            near_issues=float(sites["near_issues"][here].sum()) * scale,
            turns=float(sites["turns"][here].sum()) * scale,
            atomics=float((sites["issues"][atomic] + sites["near_issues"][atomic]).sum()) * scale,
            collisions=float(sites["collisions"][here].sum()) * scale,
            branches=branches[line_number],
            divergent=divergent[line_number],
        )
