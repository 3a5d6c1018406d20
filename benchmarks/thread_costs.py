"""Costs of a barrier, a function of a simdgroup, a loop: nanoseconds a thread on one worker."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from metalsci.cpu_metal import Device, Dispatch, Kernel

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"
HEAD = """kernel void k(device const float *x, device float *y, constant uint &n, uint i [[thread_position_in_grid]],
    uint l [[thread_position_in_threadgroup]], uint w [[threads_per_threadgroup]]) { threadgroup float t[1024]; """
THREADS = 1 << 18
ROWS = 512


@dataclass(frozen=True)
class Cost:
    """Two kernels, of which the second leaves out the operation. each: how often a thread of `source` does it."""

    what: str
    source: str
    without: str
    group: int = 256
    each: int = 1
    is_tile: bool = False

    @property
    def goal(self) -> float:
        return next(goal for start, goal in GOALS.items() if self.what.startswith(start))


GOALS: Mapping[str, float] = {
    "a barrier": 0.3,
    "the first": 1.0,
    "tree sum": 1.0,
    "a 16×16 tile": 2.5,
    "a uniform inner loop": 0.3,
}
PLAIN = HEAD + "y[i] = 2.0f * x[i] + y[i]; }"
LOOP = HEAD + "float a = x[i]; for (uint q = 0; q < n; ++q) a = a * 0.5f + 1.0f; y[i] = a; }"
TREE = HEAD + (
    f"t[l] = x[i]; {BARRIER} for (uint d = w / 2; d > 0; d /= 2) {{ if (l < d) t[l] += t[l + d]; {BARRIER} }} y[i] = t[0]; }}"
)
_STENCIL = """kernel void k(device const float *x, device float *y, constant uint &n, uint2 p [[thread_position_in_grid]],
    uint2 l [[thread_position_in_threadgroup]]) { """
_PLAIN_STENCIL = _STENCIL + (
    "const uint c = p.y * n + p.x; if (p.x == 0 || p.y == 0 || p.x == n - 1 || p.y == n - 1) { y[c] = x[c]; return; }"
    " y[c] = 0.25f * (x[c - 1] + x[c + 1] + x[c - n] + x[c + n]); }"
)
_TILE = _STENCIL + (
    "threadgroup float t[18][18]; const uint c = p.y * n + p.x; t[l.y + 1][l.x + 1] = x[c];"
    " if (l.x == 0 && p.x > 0) t[l.y + 1][0] = x[c - 1]; if (l.x == 15 && p.x < n - 1) t[l.y + 1][17] = x[c + 1];"
    " if (l.y == 0 && p.y > 0) t[0][l.x + 1] = x[c - n]; if (l.y == 15 && p.y < n - 1) t[17][l.x + 1] = x[c + n];"
    f" {BARRIER} if (p.x == 0 || p.y == 0 || p.x == n - 1 || p.y == n - 1) {{ y[c] = x[c]; return; }}"
    " y[c] = 0.25f * (t[l.y + 1][l.x] + t[l.y + 1][l.x + 2] + t[l.y][l.x + 1] + t[l.y + 2][l.x + 1]); }"
)
COSTS = (
    *(
        Cost(
            f"a barrier, groups of {group}",
            HEAD + f"float a = x[i]; for (uint q = 0; q < n; ++q) {{ {BARRIER} a = a * 0.5f + 1.0f; }} y[i] = a; }}",
            LOOP,
            group,
            16,
        )
        for group in (32, 256, 1024)
    ),
    Cost("the first barrier", HEAD + f"{BARRIER} y[i] = 2.0f * x[i] + y[i]; }}", PLAIN),
    Cost("the first simd_sum", HEAD + "y[i] = 2.0f * simd_sum(x[i]) + y[i]; }", PLAIN),
    *(Cost(f"tree sum of a group of {group}", TREE, PLAIN, group) for group in (32, 256, 1024)),
    Cost("a uniform inner loop of 16", LOOP, PLAIN),
    Cost("a 16×16 tile with halo, times the plain stencil", _TILE, _PLAIN_STENCIL, is_tile=True),
)


def measured(rounds: int) -> Iterator[tuple[Cost, float, str]]:
    """Yield each cost in nanoseconds a thread (of a tile: times slower), and how its kernel was run."""
    with Device(threads=1) as device:
        for cost in COSTS:
            kernels = [device.compile(HEADER + source).kernels["k"] for source in (cost.source, cost.without)]
            most, least = (best(device, kernel, cost, rounds) for kernel in kernels)
            how = kernels[0].how or kernels[0].mode.name.lower()
            yield cost, most / least if cost.is_tile else (most - least) / cost.each, how


def best(device: Device, kernel: Kernel, cost: Cost, rounds: int) -> float:
    """Return the least nanoseconds a thread."""
    shape, group = ((ROWS, ROWS), (16, 16)) if cost.is_tile else ((THREADS,), (cost.group,))
    count = int(np.prod(shape))
    x, y = device.buffer(np.ones(count, np.float32)), device.buffer(np.ones(count, np.float32))
    arguments = {0: x, 1: y, 2: np.uint32(ROWS if cost.is_tile else 16)}
    commands = device.encode([Dispatch(kernel, arguments, threads=shape, threadgroup=group)] * 4)
    run: Callable[[], float] = lambda: device.run(commands).seconds  # noqa: E731
    run()
    found = inf
    for _ in range(rounds):
        found = min(found, run())
        time.sleep(0)
    return 1e9 * found / count / 4


def report(found: list[tuple[Cost, float, str]]) -> Iterator[str]:
    yield "| what | ns a thread | goal | |"
    yield "|---|---|---|---|"
    for cost, value, how in found:
        shown = f"{value:.2f}×" if cost.is_tile else f"{max(value, 0.0):.3f}"
        yield f"| {cost.what} | {shown} | {cost.goal:g}{'×' if cost.is_tile else ''} | {how} |"
