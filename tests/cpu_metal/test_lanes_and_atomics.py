"""Atomics across worker threads, and what lanes of a simdgroup tell one another, divergent flow included."""

import numpy as np
import numpy.typing as npt
import pytest

from metalsci.cpu_metal import Device, Dispatch

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
LANE = "uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]"


def run_lanes(device: Device, body: str, x: npt.NDArray, threads: int | None = None, group: int = 64) -> npt.NDArray:
    """`out[i]` after `body`, which knows `x`, `out`, `i` and `lane`."""
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


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("simd_sum(x[i])", lambda g: np.repeat(g.sum(1), 32)),
        ("simd_min(x[i])", lambda g: np.repeat(g.min(1), 32)),
        ("simd_max(x[i])", lambda g: np.repeat(g.max(1), 32)),
        ("simd_xor(x[i])", lambda g: np.repeat(np.bitwise_xor.reduce(g, 1), 32)),
        ("simd_or(x[i])", lambda g: np.repeat(np.bitwise_or.reduce(g, 1), 32)),
        ("simd_and(x[i])", lambda g: np.repeat(np.bitwise_and.reduce(g, 1), 32)),
        ("simd_product(x[i])", lambda g: np.repeat(np.multiply.reduce(g, 1, dtype=np.uint32), 32)),
        ("simd_prefix_inclusive_sum(x[i])", lambda g: g.cumsum(1).ravel()),
        ("simd_prefix_exclusive_sum(x[i])", lambda g: (g.cumsum(1) - g).ravel()),
        ("simd_broadcast(x[i], 5)", lambda g: np.repeat(g[:, 5], 32)),
        ("simd_broadcast_first(x[i])", lambda g: np.repeat(g[:, 0], 32)),
        ("simd_shuffle(x[i], 31 - lane)", lambda g: g[:, ::-1].ravel()),
        ("simd_shuffle_xor(x[i], 4)", lambda g: g[:, np.arange(32) ^ 4].ravel()),
        ("simd_shuffle_down(x[i], 3)", lambda g: np.concatenate([g[:, 3:], g[:, 29:]], 1).ravel()),
        ("simd_shuffle_up(x[i], 3)", lambda g: np.concatenate([g[:, :3], g[:, :29]], 1).ravel()),
        ("simd_shuffle_rotate_down(x[i], 3)", lambda g: np.roll(g, -3, 1).ravel()),
        ("simd_shuffle_rotate_up(x[i], 3)", lambda g: np.roll(g, 3, 1).ravel()),
        (
            "simd_shuffle_and_fill_down(x[i], uint(7000 + lane), 2)",
            lambda g: np.concatenate([g[:, 2:], np.tile([7000, 7001], (len(g), 1))], 1).ravel(),
        ),
        (
            "simd_shuffle_and_fill_up(x[i], uint(7000 + lane), 2)",
            lambda g: np.concatenate([np.tile([7030, 7031], (len(g), 1)), g[:, :30]], 1).ravel(),
        ),
        ("quad_sum(x[i])", lambda g: np.repeat(g.reshape(-1, 4).sum(1), 4)),
        ("quad_shuffle_xor(x[i], 1)", lambda g: g[:, np.arange(32) ^ 1].ravel()),
        ("quad_broadcast(x[i], 2)", lambda g: np.repeat(g.reshape(-1, 4)[:, 2], 4)),
        ("uint(simd_any(x[i] > 900)) + 2 * uint(simd_all(x[i] > 0))", lambda g: np.repeat((g > 900).any(1) + 2, 32)),
        (
            "uint(ulong(simd_ballot(x[i] > 500)))",
            lambda g: np.repeat(((g > 500).astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(1), 32),
        ),
    ],
)
def test_lanes(device: Device, x: npt.NDArray[np.uint32], expression: str, want: object) -> None:
    np.testing.assert_array_equal(run_lanes(device, f"out[i] = {expression};", x), want(x.reshape(-1, 32)))


def test_only_active_lanes_take_part(device: Device, x: npt.NDArray[np.uint32]) -> None:
    body = "if (x[i] % 3 == 0) out[i] = simd_sum(x[i]); else out[i] = simd_sum(1u);"
    want = np.empty_like(x).reshape(-1, 32)
    for row, g in zip(want, x.reshape(-1, 32), strict=True):
        thirds = g % 3 == 0
        row[:] = np.where(thirds, g[thirds].sum(), (~thirds).sum())
    np.testing.assert_array_equal(run_lanes(device, body, x), want.ravel())


def test_lanes_meet_again_after_a_branch(device: Device, x: npt.NDArray[np.uint32]) -> None:
    body = "uint v = x[i]; if (lane < v % 32) v = v * 2 + 1; out[i] = simd_sum(v);"
    lane = np.arange(x.size) % 32
    v = np.where(lane < x % 32, x * 2 + 1, x)
    np.testing.assert_array_equal(run_lanes(device, body, x), np.repeat(v.reshape(-1, 32).sum(1), 32))


def test_lanes_that_leave_a_loop_wait_for_the_rest(device: Device, x: npt.NDArray[np.uint32]) -> None:
    body = """
    uint rounds = 0;
    for (uint n = 0; n < x[i] % 5; ++n) rounds += simd_sum(1u);
    out[i] = rounds * 100 + simd_sum(1u);"""
    want = np.empty_like(x).reshape(-1, 32)
    for row, g in zip(want, x.reshape(-1, 32) % 5, strict=True):
        active = [(g > n).sum() for n in range(5)]
        row[:] = [sum(active[:count]) * 100 + 32 for count in g]
    np.testing.assert_array_equal(run_lanes(device, body, x), want.ravel())


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


def test_vectors_and_halves_in_lanes(device: Device) -> None:
    body = """
    const float4 v = simd_shuffle_xor(float4(x[i], 1, 2, 3), 1);
    const half h = simd_max(half(x[i]));
    out[i] = v.x + v.w * 1000 + float(h);"""
    values = np.arange(64, dtype=np.float32)
    swapped = values.reshape(-1, 2)[:, ::-1].ravel()
    want = swapped + 3000 + np.repeat([31, 63], 32)
    np.testing.assert_array_equal(run_lanes(device, body, values), want)
