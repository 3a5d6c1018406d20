"""Atomics across worker threads, and simdgroups that are partial or lose lanes.

Every function of either kind: tests/conformance/test_functions_lanes.py and test_functions_atomic.py.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from metalsci.cpu_metal import Device, Dispatch

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
LANE = "uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]"


def run_lanes(
    device: Device, body: str, x: npt.NDArray[Any], threads: int | None = None, group: int = 64
) -> npt.NDArray[Any]:
    """Run `body`, which knows `x`, `out`, `i` and `lane`, and return `out`."""
    kinds = {"f": "float", "u": "uint", "i": "int"}
    kind = kinds[x.dtype.kind]
    source = f"""{HEADER}
    kernel void k(device const {kind} *x [[buffer(0)]], device {kind} *out [[buffer(1)]], {LANE}) {{ {body} }}"""
    source_buffer, out = device.buffer(x), device.empty(x.shape, x.dtype)
    kernel = device.compile(source).kernels["k"]
    device.run([Dispatch(kernel, {0: source_buffer, 1: out}, (threads or x.size,), (group,))], timeout=20)
    return np.array(out.array)


@pytest.fixture
def x() -> npt.NDArray[np.uint32]:
    return np.random.default_rng(3).integers(1, 1000, 128, np.uint32)


def test_atomics_across_all_worker_threads(device: Device) -> None:
    source = (
        HEADER
        + """
    kernel void count(device atomic_uint *counts [[buffer(0)]], device atomic_float *sum [[buffer(1)]],
                      device atomic_int *extremes [[buffer(2)]], device atomic<uint> &total [[buffer(3)]],
                      uint i [[thread_position_in_grid]], uint tid [[thread_position_in_threadgroup]]) {
        threadgroup atomic_uint in_group;
        if (tid == 0) atomic_store_explicit(&in_group, 0, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        atomic_fetch_add_explicit(&counts[i % 7], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(sum, 0.5f, memory_order_relaxed);
        atomic_fetch_max_explicit(extremes, int(i), memory_order_relaxed);
        atomic_fetch_min_explicit(extremes + 1, -int(i), memory_order_relaxed);
        atomic_fetch_or_explicit(&counts[7], 1u << (i % 32), memory_order_relaxed);
        atomic_fetch_add_explicit(&in_group, 1, memory_order_relaxed);
        uint seen = atomic_load_explicit(&total, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&total, &seen, seen + 2, memory_order_relaxed,
                                                      memory_order_relaxed)) {}
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (tid == 0) atomic_fetch_add_explicit(&counts[8], atomic_load_explicit(&in_group, memory_order_relaxed),
                                                memory_order_relaxed);
    }"""
    )
    n = 70_000
    counts, total = device.empty((9,), np.uint32), device.empty((1,), np.uint32)
    sums, extremes = device.empty((1,), np.float32), device.empty((2,), np.int32)
    kernel = device.compile(source).kernels["count"]
    device.run([Dispatch(kernel, {0: counts, 1: sums, 2: extremes, 3: total}, (n,), (128,))])
    assert counts.array.tolist() == [n // 7] * 7 + [2**32 - 1, n]
    assert sums.array[0] == n / 2
    assert extremes.array.tolist() == [n - 1, 1 - n]
    assert total.array[0] == 2 * n


def test_a_partial_simdgroup_and_early_returns(device: Device, x: npt.NDArray[np.uint32]) -> None:
    body = "if (lane >= 20) return; out[i] = simd_sum(1u);"
    got = run_lanes(device, body, x, threads=100, group=50)
    lane = np.concatenate([np.arange(50) % 32] * 2)
    first = np.concatenate([np.arange(50) < 32] * 2)
    want = np.where(lane < 20, np.where(first, 20, 18), 0)
    np.testing.assert_array_equal(got[:100], want)


def test_reduction_of_a_group_by_simdgroups(device: Device) -> None:
    body = """
    threadgroup float partial[32];
    const float sum = simd_sum(x[i]);
    if (lane == 0) partial[i % 256 / 32] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float total = lane < 8 ? partial[lane] : 0.0f;
    out[i] = simd_sum(total);"""
    values = np.random.default_rng(5).random(1024, dtype=np.float32)
    got = run_lanes(device, body, values, group=256)
    np.testing.assert_allclose(got, np.repeat(values.reshape(4, 256).sum(1), 256), rtol=1e-5)
