"""Time against group size, grid size, barriers and cores, and what it costs to share small dispatches.

`python benchmarks/scaling.py [--rounds N] [--plot FILE.svg]`.

Processor time of the busiest worker, the tenth percentile of the rounds, so that a busy machine shows little: the
least was 0 at times, as the system counts. Cores are what there are: 1, 2, 4, … up to all that this process may use.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import numpy as np
from line_panels import Panel, drawn
from thread_costs import BARRIER, HEAD, HEADER, LOOP, PLAIN, TREE

from metalsci.cpu_metal import Device, Dispatch, Kernel
from metalsci.devices.cpu.processor import processor_name

ROUNDS = 50
THREADS = 1 << 18
GROUPS = tuple(1 << power for power in range(11))
GRIDS = tuple(1 << power for power in range(6, 25, 2))
SMALL_GRIDS = tuple(1 << power for power in range(9, 19))
LONG = 1 << 22  # threads of all dispatches of a command buffer
BARRIERS = (1, 2, 4, 8, 16, 32, 64)
ONE_BARRIER = HEAD + f"{BARRIER} y[i] = 2.0f * x[i] + y[i]; }}"
SIMD_SUM = HEAD + "y[i] = 2.0f * simd_sum(x[i]) + y[i]; }"
WAITING = HEAD + f"float a = x[i]; for (uint q = 0; q < n; ++q) {{ {BARRIER} a = a * 0.5f + 1.0f; }} y[i] = a; }}"
Line = list[tuple[float, float]]


def seconds(
    device: Device, kernel: Kernel, rounds: int, *, threads: int = THREADS, group: int = 256, turns: int = 16
) -> float:
    """Return the time of one dispatch. turns: of the kernel's loop, if it has one."""
    sample = _sample(device, kernel, threads, group, turns)
    return _low(sample() for _ in range(rounds))


def _low(times: Iterable[float]) -> float:
    found = sorted(times)
    return found[len(found) // 10]


def _sample(
    device: Device, kernel: Kernel, threads: int, group: int, turns: int, all_threads: int = THREADS
) -> Callable[[], float]:
    """Return a function that times a command buffer of dispatches, and runs it once. all_threads: of all dispatches."""
    x, y = device.buffer(np.ones(threads, np.float32)), device.buffer(np.ones(threads, np.float32))
    many = min(max(1, all_threads // threads), 256)
    dispatch = Dispatch(kernel, {0: x, 1: y, 2: np.uint32(turns)}, threads=(threads,), threadgroup=(group,))
    commands = device.encode([dispatch] * many)
    device.run(commands)
    return lambda: device.run(commands).seconds / many


def group_sizes(device: Device, rounds: int) -> Panel:
    sources = {"2x + y": PLAIN, "with a barrier": ONE_BARRIER, "with simd_sum": SIMD_SUM, "sum of the group": TREE}
    lines = {
        name: [(group, 1e9 * seconds(device, kernel, rounds, group=group) / THREADS) for group in GROUPS]
        for name, kernel in _kernels(device, sources)
    }
    return Panel("threads in a group", f"threads in a group, {THREADS:,} in all", "ns a thread", lines)


def grid_sizes(device: Device, rounds: int) -> Panel:
    sources = {"2x + y": PLAIN, "a loop of 16 turns": LOOP, "sum of groups of 256": TREE}
    lines = {
        name: [(threads, 1e6 * seconds(device, kernel, rounds, threads=threads)) for threads in GRIDS]
        for name, kernel in _kernels(device, sources)
    }
    return Panel("threads in a grid", "threads in the grid, groups of 256", "µs a dispatch", lines)


def barriers(device: Device, rounds: int) -> Panel:
    ((_, waiting), (_, loop)) = _kernels(device, {"waits": WAITING, "does not": LOOP})
    lines: dict[str, Line] = {}
    for group in (32, 256, 1024):
        lines[f"groups of {group:,}"] = [
            (turns, 1e9 * seconds(device, waiting, rounds, group=group, turns=turns) / THREADS) for turns in BARRIERS
        ]
    lines["the same loop without barriers"] = [
        (turns, 1e9 * seconds(device, loop, rounds, turns=turns) / THREADS) for turns in BARRIERS
    ]
    return Panel("barriers", "barriers, a multiply-add after each", "ns a thread", lines)


def cores(rounds: int, most: int) -> Panel:
    """Return how many times faster several workers are than one, by the time of the busiest."""
    counts = [*takewhile(lambda count: count < most, (1 << power for power in range(16))), most]
    cases: Mapping[str, tuple[str, int, int]] = {
        "2x + y, 16 Mi threads": (PLAIN, 1 << 24, 16),
        f"2x + y, {THREADS:,} threads": (PLAIN, THREADS, 16),
        f"a loop of 256 turns, {THREADS:,} threads": (LOOP, THREADS, 256),
        f"sum of groups of 256, {THREADS:,} threads": (TREE, THREADS, 16),
        "sum of groups of 256, 4,096 threads": (TREE, 4096, 16),
    }
    lines: dict[str, Line] = {}
    with ExitStack() as stack:
        devices = {count: stack.enter_context(Device(threads=count)) for count in counts}
        for name, (source, threads, turns) in cases.items():
            samples = {}
            for count, device in devices.items():
                ((_, kernel),) = _kernels(device, {name: source})
                samples[count] = _sample(device, kernel, threads, 256, turns)
            taken = [{count: sample() for count, sample in samples.items()} for _ in range(rounds)]
            low = {count: _low(each[count] for each in taken) for count in counts}
            lines[name] = [(count, low[1] / low[count]) for count in counts]
    return Panel("cores", "workers", "times as fast as one", lines, ideal=[(count, count) for count in counts])


def small_dispatches(rounds: int, most: int) -> Panel:
    """Return how many times faster all workers are than one, by the time of the busiest: what it costs to share.

    In long command buffers, so that it hardly matters when workers wake up.
    """
    sources = {"2x + y": PLAIN, "a loop of 16 turns": LOOP, "sum of groups of 256": TREE}
    lines: dict[str, Line] = {name: [] for name in sources}
    with Device(threads=1) as one, Device(threads=most) as every:
        kernels = {device: dict(_kernels(device, sources)) for device in (one, every)}
        for name in sources:
            for threads in SMALL_GRIDS:
                samples = {d: _sample(d, kernels[d][name], threads, 256, 16, LONG) for d in (one, every)}
                taken = [{device: sample() for device, sample in samples.items()} for _ in range(rounds)]
                low = {device: _low(each[device] for each in taken) for device in samples}
                lines[name].append((threads, low[one] / low[every]))
    title, ideal = f"small dispatches, {most} workers", [(threads, most) for threads in SMALL_GRIDS]
    return Panel(title, "threads in the grid, groups of 256", "times as fast as one worker", lines, ideal=ideal)


def _kernels(device: Device, sources: Mapping[str, str]) -> Iterator[tuple[str, Kernel]]:
    for name, source in sources.items():
        yield name, device.compile(HEADER + source).kernels["k"]


def measured(rounds: int) -> Sequence[Panel]:
    with Device(threads=1) as device:
        panels = [group_sizes(device, rounds), grid_sizes(device, rounds), barriers(device, rounds)]
    most = len(os.sched_getaffinity(0))
    return [*panels, cores(rounds, most), small_dispatches(rounds, most)]


def report(panels: Sequence[Panel]) -> Iterator[str]:
    """Yield each panel as a table in Markdown."""
    for panel in panels:
        at = [point[0] for point in next(iter(panel.lines.values()))]
        yield from [
            f"| {panel.x}: {panel.y} | {' | '.join(f'{each:,}' for each in at)} |",
            "|---" * (len(at) + 1) + "|",
        ]
        for name, line in panel.lines.items():
            yield f"| {name} | {' | '.join(f'{value:.3g}' for _, value in line)} |"
        yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    panels = measured(arguments.rounds)
    sys.stdout.write("\n".join(report(panels)))
    if arguments.plot:
        when = f"{datetime.now(UTC):%Y-%m-%d}, {processor_name()}, load {load:.1f} at the start"
        what = f"processor time of the busiest worker, tenth percentile of {arguments.rounds} rounds"
        note = f"{when}; {what}; one worker, but in the last two"
        arguments.plot.write_text(drawn(panels, note), encoding="utf-8")


if __name__ == "__main__":
    main()
