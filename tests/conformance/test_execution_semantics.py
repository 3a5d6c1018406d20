"""The layout of threads and their waits for one another, against NumPy models, over random grids and programs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.library import Kernel

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
FEW = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"

# Attributes with a value for each dimension, and those with one value.
VECTORS = [
    "thread_position_in_grid", "thread_position_in_threadgroup", "threadgroup_position_in_grid", "threads_per_grid",
    "threads_per_threadgroup", "dispatch_threads_per_threadgroup", "threadgroups_per_grid", "grid_size", "grid_origin",
]  # fmt: skip
SCALARS = [
    "thread_index_in_threadgroup", "thread_index_in_simdgroup", "thread_index_in_quadgroup",
    "simdgroup_index_in_threadgroup", "quadgroup_index_in_threadgroup", "threads_per_simdgroup",
    "simdgroups_per_threadgroup", "quadgroups_per_threadgroup",
    "dispatch_simdgroups_per_threadgroup", "dispatch_quadgroups_per_threadgroup",
]  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """Threads per grid and per threadgroup, x first."""

    threads: tuple[int, ...]
    group: tuple[int, ...]


def grids(dimensions: int) -> st.SearchStrategy[Grid]:
    largest = {1: 700, 2: 60, 3: 20}[dimensions]
    sizes = st.tuples(*[st.integers(1, largest)] * dimensions)
    groups = st.tuples(*[st.integers(1, {1: 1024, 2: 32, 3: 10}[dimensions])] * dimensions)
    return st.builds(Grid, sizes, groups)


def attributes(grid: Grid) -> dict[str, np.ndarray]:
    """Return attributes of every thread, in rows of the grid, x fastest. Vectors have columns x, y, ..."""
    dimensions = len(grid.threads)
    threads, group = np.array(grid.threads), np.array(grid.group)
    position = np.indices(grid.threads[::-1]).reshape(dimensions, -1)[::-1].T
    of_group, local = position // group, position % group
    size = np.minimum(group, threads - of_group * group)  # smaller at the edges
    strides = np.cumprod(np.concatenate([np.ones((len(size), 1), int), size], axis=1), axis=1)
    index, count = (local * strides[:, :-1]).sum(axis=1), strides[:, -1]
    dispatched = int(group.prod())

    def same(value: Any) -> np.ndarray:
        shape = position.shape if np.ndim(value) else index.shape
        return np.asarray(np.broadcast_to(value, shape))

    return {
        "thread_position_in_grid": position,
        "thread_position_in_threadgroup": local,
        "threadgroup_position_in_grid": of_group,
        "threads_per_grid": same(threads),
        "grid_size": same(threads),
        "grid_origin": same(threads * 0),
        "threads_per_threadgroup": size,
        "dispatch_threads_per_threadgroup": same(group),
        "threadgroups_per_grid": same(-(-threads // group)),
        "thread_index_in_threadgroup": index,
        "thread_index_in_simdgroup": index % 32,
        "thread_index_in_quadgroup": index % 4,
        "simdgroup_index_in_threadgroup": index // 32,
        "quadgroup_index_in_threadgroup": index // 4,
        "threads_per_simdgroup": same(32),
        "simdgroups_per_threadgroup": -(-count // 32),
        "quadgroups_per_threadgroup": -(-count // 4),
        "dispatch_simdgroups_per_threadgroup": same(-(-dispatched // 32)),
        "dispatch_quadgroups_per_threadgroup": same(-(-dispatched // 4)),
    }


def layout_kernels(dimensions: int) -> str:
    """Write kernels that store every attribute of every thread: without and with a barrier, in uint and in ushort."""
    text = "".join(
        f"kernel void {name}_{kind}(device uint *out [[buffer(0)]], device uint *visits [[buffer(1)]],"
        f" {_parameters(kind, dimensions)}) {{ {barrier} {_stores(dimensions)} }}\n"
        for name, barrier in (("free", ""), ("waiting", BARRIER))
        for kind in ("uint", "ushort")
    )
    # The older name of the same, which no kernel may have beside it.
    return HEADER + text.replace(
        "ushort threads_per_simdgroup [[threads_per_simdgroup]]",
        "ushort threads_per_simdgroup [[thread_execution_width]]",
    )


def _parameters(kind: str, dimensions: int) -> str:
    vector = f"{kind}{dimensions}" if dimensions > 1 else kind
    return ", ".join([f"{vector} {v} [[{v}]]" for v in VECTORS] + [f"{kind} {s} [[{s}]]" for s in SCALARS])


def _stores(dimensions: int) -> str:
    elements = ["x", "y", "z"][:dimensions] if dimensions > 1 else [""]

    def element(name: str, e: str) -> str:
        return f"uint({name}{f'.{e}' if e else ''})"

    place = element("thread_position_in_grid", elements[-1])
    for e in elements[-2::-1]:
        place = f"({place} * {element('threads_per_grid', e)} + {element('thread_position_in_grid', e)})"
    values = [element(v, e) for v in VECTORS for e in elements] + [f"uint({s})" for s in SCALARS]
    stores = "".join(f"row[{k}] = {value};" for k, value in enumerate(values))
    return f"const uint place = {place}; visits[place] += 1; device uint *row = out + place * {len(values)}; {stores}"


def check_layout(device: Device, kernels: dict[str, Kernel], grid: Grid) -> None:
    if np.prod(grid.group) > 1024:
        return
    model = attributes(grid)
    columns = [model[v].T for v in VECTORS] + [model[s][None] for s in SCALARS]
    want = np.concatenate(columns).T
    for name, kernel in kernels.items():
        out, visits = device.empty(want.shape, np.uint32), device.empty((len(want),), np.uint32)
        device.run([Dispatch(kernel, {0: out, 1: visits}, grid.threads, grid.group)])
        assert (visits.array == 1).all(), name
        np.testing.assert_array_equal(out.array, want, name)


@pytest.fixture(scope="module", params=[1, 2, 3])
def layout(device: Device, request: pytest.FixtureRequest) -> tuple[int, Mapping[str, Kernel]]:
    return request.param, device.compile(layout_kernels(request.param)).kernels


@FEW
@given(data=st.data())
def test_every_attribute_of_every_thread(
    device: Device, layout: tuple[int, dict[str, Kernel]], data: st.DataObject
) -> None:
    check_layout(device, layout[1], data.draw(grids(layout[0])))


@pytest.mark.conformance
@MANY
@given(data=st.data())
def test_many_grids(device: Device, layout: tuple[int, dict[str, Kernel]], data: st.DataObject) -> None:
    check_layout(device, layout[1], data.draw(grids(layout[0])))


@dataclass(frozen=True)
class Round:
    """A step of every thread of a group: it takes the value of neighbour `by`, if the group's turn is uniform.

    where: the barriers stand in the loop itself, in a helper function, or in a branch that all threads take or none.
    """

    by: int
    times: int
    where: str

    def text(self) -> str:
        barrier = {"loop": BARRIER, "helper": "wait();", "branch": f"if (n > 0) {{ {BARRIER} }} else {{ {BARRIER} }}"}[
            self.where
        ]
        return (
            f"for (uint k = 0; k < {self.times}u; ++k) {{ shared[t] = v; {barrier}"
            f" v = v * 3u + shared[(t + {self.by}u) % n]; {barrier} }}"
        )

    def run(self, v: np.ndarray) -> np.ndarray:
        for _ in range(self.times):
            v = v * np.uint32(3) + np.roll(v, -self.by)
        return v


rounds = st.lists(
    st.builds(Round, st.integers(0, 1023), st.integers(0, 5), st.sampled_from(["loop", "helper", "branch"])),
    min_size=1,
    max_size=4,
)


def waiting_program(steps: list[Round]) -> str:
    return HEADER + (
        f"static void wait() {{ {BARRIER} }}\n"
        "kernel void k(device uint *x, uint i [[thread_position_in_grid]], uint t [[thread_index_in_threadgroup]],"
        " uint n [[threads_per_threadgroup]]) {\n threadgroup uint shared[1024]; uint v = x[i];\n"
        + "\n".join(step.text() for step in steps)
        + "\n x[i] = v;\n}"
    )


def check_waiting(device: Device, steps: list[Round], threads: int, group: int) -> None:
    start = np.random.default_rng(threads).integers(0, 2**32, threads, np.uint32)
    x = device.buffer(start)
    device.run([Dispatch(device.compile(waiting_program(steps)).kernels["k"], {0: x}, (threads,), (group,))])
    want = start.copy()
    for first in range(0, threads, group):
        for step in steps:
            want[first : first + group] = step.run(want[first : first + group])
    np.testing.assert_array_equal(x.array, want)


@FEW
@given(steps=rounds, threads=st.integers(1, 3000), group=st.sampled_from([1, 2, 31, 32, 33, 100, 512, 1000, 1024]))
def test_barriers_wherever_flow_is_uniform(device: Device, steps: list[Round], threads: int, group: int) -> None:
    check_waiting(device, steps, threads, group)


@pytest.mark.conformance
@MANY
@given(steps=rounds, threads=st.integers(1, 20_000), group=st.integers(1, 1024))
def test_barriers_in_many_programs(device: Device, steps: list[Round], threads: int, group: int) -> None:
    check_waiting(device, steps, threads, group)


def test_a_full_group_with_all_of_threadgroup_memory(device: Device) -> None:
    source = HEADER + (
        "kernel void k(device uint *out, uint t [[thread_index_in_threadgroup]],"
        " uint g [[threadgroup_position_in_grid]]) {\n threadgroup uint all[8192];\n"
        " for (uint k = t; k < 8192; k += 1024) all[k] = k * 7 + g;\n"
        f" {BARRIER}\n for (uint k = t; k < 8192; k += 1024) out[g * 8192 + k] = all[8191 - k];\n}}"
    )
    kernel = device.compile(source).kernels["k"]
    assert kernel.threadgroup_memory == 32768
    out = device.empty((5, 8192), np.uint32)
    device.run([Dispatch(kernel, {0: out}, (5 * 1024,), (1024,))])
    np.testing.assert_array_equal(out.array, np.arange(8191, -1, -1) * 7 + np.arange(5)[:, None])


# Programs in which lanes part and meet again, and what each lane has in the end: of its value and its simdgroup's.
def _loops(v: np.ndarray) -> np.ndarray:
    total = np.zeros_like(v)
    for k in range(int((v % 5).max())):
        inside = k < v % 5
        total[inside] += v[inside].sum()
    return total


def _nested(v: np.ndarray) -> np.ndarray:
    out = np.zeros_like(v)
    for odd in (False, True):
        for large in (False, True):
            here = (v % 2 == odd) & ((v > 500) == large)
            out[here] = v[here].sum() + 1000 * v[v % 2 == odd].max() if here.any() else 0
    return out


def _breaks(v: np.ndarray) -> np.ndarray:
    out, running = np.zeros_like(v), np.ones(v.shape, np.bool_)
    for k in range(6):
        out[running] += np.cumsum(running)[running]
        running &= v % 7 != k
    return out


PARTING = {
    "loops of different lengths": ("for (uint k = 0; k < v % 5; ++k) r += simd_sum(v);", _loops),
    "nested branches": (
        "if (v % 2 == 0) { r = 1000 * simd_max(v); if (v > 500) r += simd_sum(v); else r += simd_sum(v); }"
        " else { r = 1000 * simd_max(v); if (v > 500) r += simd_sum(v); else r += simd_sum(v); }",
        _nested,
    ),
    "breaks": ("for (uint k = 0; k < 6; ++k) { r += simd_prefix_inclusive_sum(1u); if (v % 7 == k) break; }", _breaks),
    "helpers": ("r = v % 3 == 0 ? sum(v) : 0;", lambda v: np.where(v % 3 == 0, v[v % 3 == 0].sum(), 0)),
    "meeting again": (
        "if (v % 3 == 0) v += 5; else v *= 2; r = simd_sum(v);",
        lambda v: np.full_like(v, np.where(v % 3 == 0, v + 5, v * 2).sum()),
    ),
}  # fmt: skip


def simdgroups(v: np.ndarray, group: int) -> Iterator[slice]:
    for start in range(0, len(v), group):
        end = min(start + group, len(v))
        yield from (slice(first, min(first + 32, end)) for first in range(start, end, 32))


@pytest.mark.parametrize("program", PARTING)
def test_lanes_part_and_meet_again(device: Device, program: str) -> None:
    body, model = PARTING[program]
    source = HEADER + (
        "static uint sum(uint v) { return simd_sum(v); }\n"
        "kernel void k(device uint *x, uint i [[thread_position_in_grid]])"
        f" {{ uint v = x[i], r = 0; {body} x[i] = r; }}"
    )
    kernel = device.compile(source).kernels["k"]
    for seed, group in ((1, 32), (2, 64), (3, 50), (4, 100)):
        start = np.random.default_rng(seed).integers(0, 1000, 333).astype(np.uint32)
        x = device.buffer(start)
        device.run([Dispatch(kernel, {0: x}, (333,), (group,))], timeout=20)
        want = np.concatenate([model(start[part].astype(np.int64)) for part in simdgroups(start, group)])
        np.testing.assert_array_equal(x.array, want.astype(np.uint32))
