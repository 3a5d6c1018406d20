"""Kernels give what NumPy gives: over the grid, over groups, and through barriers."""

from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.wrapper import Mode

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
TASKS = Path(__file__).parents[2] / "tasks"


def seed_kernel(task: str) -> str:
    return (TASKS / task / "seed.metal").read_text()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_saxpy(device: Device, rng: np.random.Generator) -> None:
    kernel = device.compile(seed_kernel("saxpy")).kernels["saxpy"]
    x, y = (device.buffer(rng.standard_normal(10_007, dtype=np.float32)) for _ in range(2))
    out = device.empty((10_007,), np.float32)
    elapsed = device.run([Dispatch(kernel, {0: x, 1: y, 2: out, 3: 2.5, 4: 10_007}, (10_240,), (256,))])
    assert elapsed.wall > 0 and elapsed.seconds > 0
    np.testing.assert_allclose(out.array, 2.5 * x.array + y.array, rtol=1e-6, atol=1e-6)


def test_heat2d_feeds_one_dispatch_from_the_last(device: Device, rng: np.random.Generator) -> None:
    kernel = device.compile(seed_kernel("heat2d")).kernels["heat_step"]
    ny, nx, steps = 37, 53, 6
    u = np.zeros((ny, nx), np.float32)
    u[1:-1, 1:-1] = rng.random((ny - 2, nx - 2))
    buffers = [device.buffer(u), device.empty((ny, nx), np.float32)]
    dispatches = [
        Dispatch(kernel, {0: buffers[i % 2], 1: buffers[1 - i % 2], 2: nx, 3: ny, 4: 0.2}, (nx, ny), (16, 16))
        for i in range(steps)
    ]
    device.run(dispatches)
    want = u.astype(np.float64)
    for _ in range(steps):
        inner = want[1:-1, 1:-1]
        sides = want[:-2, 1:-1] + want[2:, 1:-1] + want[1:-1, :-2] + want[1:-1, 2:]
        after = want.copy()
        after[1:-1, 1:-1] = inner + 0.2 * (sides - 4 * inner)
        want = after
    np.testing.assert_allclose(buffers[steps % 2].array, want, atol=1e-5)


def test_lbm(device: Device, rng: np.random.Generator) -> None:
    kernel = device.compile(seed_kernel("lbm")).kernels["lbm_step"]
    cx = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
    cy = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
    w = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
    f = (w[:, None, None] * (1 + 0.1 * rng.random((9, 40, 24)))).astype(np.float32)
    source, out = device.buffer(f), device.empty(f.shape, np.float32)
    device.run([Dispatch(kernel, {0: source, 1: out, 2: 24, 3: 40, 4: 0.8}, (24, 40), (16, 16))])
    pulled = np.stack([np.roll(f[k], (cy[k], cx[k]), (0, 1)) for k in range(9)]).astype(np.float64)
    rho = pulled.sum(0)
    ux, uy = np.tensordot(cx, pulled, 1) / rho, np.tensordot(cy, pulled, 1) / rho
    cu = cx[:, None, None] * ux + cy[:, None, None] * uy
    feq = w[:, None, None] * rho * (1 + 3 * cu + 4.5 * cu**2 - 1.5 * (ux**2 + uy**2))
    np.testing.assert_allclose(out.array, pulled - (pulled - feq) / 0.8, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", ["saxpy", "heat2d", "lbm"])
def test_seed_kernels_are_independent_of_their_group(device: Device, task: str) -> None:
    (kernel,) = device.compile(seed_kernel(task)).kernels.values()
    assert kernel.mode is Mode.GRID


REDUCE = (
    HEADER
    + """
float first(threadgroup float *values) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return values[0];
}
kernel void reduce(device const float *x [[buffer(0)]], device float *sums [[buffer(1)]],
                   constant uint &n [[buffer(2)]], uint i [[thread_position_in_grid]],
                   uint tid [[thread_position_in_threadgroup]],
                   uint group [[threadgroup_position_in_grid]]) {
    threadgroup float partial[256];
    partial[tid] = i < n ? x[i] : 0.0f;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint half_way = 128; half_way > 0; half_way /= 2) {
        if (tid < half_way) partial[tid] += partial[tid + half_way];
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    const float sum = first(partial);
    if (tid == 255) sums[group] = sum;
}"""
)


def test_barriers_in_a_loop_and_in_a_helper_function(device: Device, rng: np.random.Generator) -> None:
    kernel = device.compile(REDUCE).kernels["reduce"]
    assert kernel.threadgroup_memory == 1024
    x, sums = device.buffer(rng.random(10_000, dtype=np.float32)), device.empty((40,), np.float32)
    device.run([Dispatch(kernel, {0: x, 1: sums, 2: 10_000}, (10_240,), (256,))])
    want = np.pad(x.array, (0, 240)).reshape(40, 256).sum(1, dtype=np.float64)
    np.testing.assert_allclose(sums.array, want, rtol=1e-5)


def test_transpose_through_threadgroup_memory(device: Device, rng: np.random.Generator) -> None:
    source = (
        HEADER
        + """
    template <typename T, int N>
    void load(threadgroup T (&tile)[N][N + 1], device const T *x, uint width, uint2 l, uint2 g) {
        tile[l.y][l.x] = x[(g.y * N + l.y) * width + g.x * N + l.x];
    }
    kernel void transpose(device const float *x [[buffer(0)]], device float *out [[buffer(1)]],
                          constant uint &width [[buffer(2)]], constant uint &height [[buffer(3)]],
                          ushort2 l [[thread_position_in_threadgroup]], ushort2 g [[threadgroup_position_in_grid]]) {
        threadgroup float tile[16][17];
        load(tile, x, width, uint2(l), uint2(g));
        threadgroup_barrier(mem_flags::mem_threadgroup);
        out[(g.x * 16 + l.y) * height + g.y * 16 + l.x] = tile[l.x][l.y];
    }"""
    )
    kernel = device.compile(source).kernels["transpose"]
    x, out = device.buffer(rng.random((64, 96), dtype=np.float32)), device.empty((96, 64), np.float32)
    device.run([Dispatch(kernel, {0: x, 1: out, 2: 96, 3: 64}, (96, 64), (16, 16))])
    np.testing.assert_array_equal(out.array, x.array.T)


def test_threads_that_return_early_are_not_waited_for(device: Device) -> None:
    source = (
        HEADER
        + """
    kernel void rotate_in_group(device uint *out [[buffer(0)]], constant uint &n [[buffer(1)]],
                                uint i [[thread_position_in_grid]]) {
        threadgroup uint shared[64];
        if (i >= n) return;
        shared[i] = i;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        out[i] = shared[(i + 1) % n];
    }"""
    )
    kernel = device.compile(source).kernels["rotate_in_group"]
    out = device.empty((50,), np.uint32)
    device.run([Dispatch(kernel, {0: out, 1: 50}, (64,), (64,))])
    np.testing.assert_array_equal(out.array, np.roll(np.arange(50), -1))


def test_threadgroup_memory_that_the_host_sizes(device: Device) -> None:
    source = (
        HEADER
        + """
    kernel void reverse_in_group(device uint *x [[buffer(0)]], threadgroup uint *a [[threadgroup(0)]],
                                 threadgroup uint *b [[threadgroup(1)]], uint i [[thread_position_in_grid]],
                                 uint tid [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
        threadgroup uint own[32];
        own[tid] = 7; a[tid] = x[i]; b[tid] = 1000;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        x[i] = a[n - 1 - tid] + b[tid] * (own[tid] == 7);
    }"""
    )
    kernel = device.compile(source).kernels["reverse_in_group"]
    x = device.buffer(np.arange(64, dtype=np.uint32))
    device.run([Dispatch(kernel, {0: x}, (64,), (32,), threadgroup_memory={0: 128, 1: 128})])
    np.testing.assert_array_equal(x.array, np.arange(64).reshape(2, 32)[:, ::-1].ravel() + 1000)


def test_variables_of_a_thread_are_its_own(device: Device, rng: np.random.Generator) -> None:
    """An array that must live in memory is not shared by threads that are vectorised together."""
    source = (
        HEADER
        + """
    kernel void histogram(device const uint *x [[buffer(0)]], device uint *out [[buffer(1)]],
                          uint i [[thread_position_in_grid]]) {
        uint seen[8] = {0};
        seen[x[i]] += 1;
        seen[x[i + 1]] += 2;
        out[i] = seen[x[i]] * 10 + seen[x[i + 1]];
    }"""
    )
    kernel = device.compile(source).kernels["histogram"]
    x, out = device.buffer(rng.integers(0, 8, 1025, np.uint32)), device.empty((1024,), np.uint32)
    device.run([Dispatch(kernel, {0: x, 1: out}, (1024,), (256,))])
    same = x.array[:-1] == x.array[1:]
    np.testing.assert_array_equal(out.array, np.where(same, 33, 12))


def test_arguments_by_value_by_offset_and_several_kernels(device: Device) -> None:
    source = (
        HEADER
        + """
    struct Parameters { float scale; int shift; };
    kernel void scale(device float *x [[buffer(0)]], constant Parameters &p [[buffer(1)]],
                      constant float3 &v [[buffer(2)]], constant bool &on [[buffer(3)]], constant half &h [[buffer(5)]],
                      uint i [[thread_position_in_grid]]) {
        if (on) x[i] = x[i] * p.scale + float(p.shift) + v.z + float(h);
    }
    kernel void clear(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] = 0; }"""
    )
    kernels = device.compile(source).kernels
    x = device.buffer(np.arange(8, dtype=np.float32))
    parameters = np.array((2.0, -3), dtype=[("scale", "<f4"), ("shift", "<i4")])
    bound = {0: x.at(16), 1: parameters, 2: (0, 0, 5), 3: True, 5: np.float16(0.5)}
    device.run([Dispatch(kernels["scale"], bound, (4,), (4,)), Dispatch(kernels["clear"], {0: x}, (2,), (2,))])
    np.testing.assert_array_equal(x.array, [0, 0, 2, 3, 10.5, 12.5, 14.5, 16.5])


def test_a_command_buffer_runs_again_also_after_a_restart(device: Device) -> None:
    source = HEADER + "kernel void increment(device int *x, uint i [[thread_position_in_grid]]) { x[i] += 1; }"
    x = device.buffer(np.zeros(100, np.int32))
    commands = device.encode([Dispatch(device.compile(source).kernels["increment"], {0: x}, (100,), (32,))] * 3)
    device.run(commands)
    device.run(commands)
    device.restart()
    device.run(commands)
    assert (x.array == 9).all()


def test_kernel_facts(device: Device) -> None:
    source = (
        HEADER
        + """
    [[max_total_threads_per_threadgroup(96)]]
    kernel void k(device const float4 *a [[buffer(2)]], constant uint &n [[buffer(0)]],
                  device float *out [[buffer(1)]]) {}"""
    )
    kernel = device.compile(source).kernels["k"]
    assert kernel.max_total_threads_per_threadgroup == 96
    assert kernel.thread_execution_width == 32
    assert [(a.index, a.name, a.type, a.writable) for a in kernel.arguments] == [
        (2, "a", "float4", False),
        (0, "n", "uint", False),
        (1, "out", "float", True),
    ]


def test_infinities_and_nans_are_seen_in_fast_math(device: Device) -> None:
    source = (
        HEADER
        + """
    kernel void tests(device const float *x, device uint *out, uint i [[thread_position_in_grid]]) {
        out[i] = uint(isnan(x[i])) + 2 * uint(isinf(x[i])) + 4 * uint(isfinite(x[i])) + 8 * uint(x[i] == INFINITY)
               + 16 * uint(x[i] != x[i]);
    }"""
    )
    kernel = device.compile(source, math_mode="fast").kernels["tests"]
    x = device.buffer(np.array([np.nan, np.inf, -np.inf, 1, 0], np.float32))
    out = device.empty((5,), np.uint32)
    device.run([Dispatch(kernel, {0: x, 1: out}, (5,), (5,))])
    assert out.array.tolist() == [17, 10, 2, 4, 4]


def test_safe_math_does_not_reassociate(device: Device) -> None:
    source = (
        HEADER
        + """
    kernel void cancel(device float *x, uint i [[thread_position_in_grid]]) { x[i] = (x[i] + 1e8f) - 1e8f; }"""
    )
    kernel = device.compile(source, math_mode="safe").kernels["cancel"]
    x = device.buffer(np.ones(64, np.float32))
    device.run([Dispatch(kernel, {0: x}, (64,), (64,))])
    assert (x.array == 0).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_dispatches_run_in_order_on_any_number_of_workers(cache: Cache, threads: int) -> None:
    """Each step reads what the one before left at other places, so that one started too early is seen."""
    source = (
        HEADER
        + """
    kernel void step_(device const uint *x [[buffer(0)]], device uint *y [[buffer(1)]], constant uint &n [[buffer(2)]],
                      constant uint &by [[buffer(3)]], uint i [[thread_position_in_grid]]) {
        y[i] = 3 * x[(i + by) % n] + 1;
    }"""
    )
    rng = np.random.default_rng(1)
    with Device(threads, cache=cache) as device:
        kernel = device.compile(source).kernels["step_"]
        for n in (1, 7, 64, 1000, 4096, 70_001):
            buffers = [device.buffer(rng.integers(0, 99, n, np.uint32)), device.empty((n,), np.uint32)]
            want = buffers[0].array.copy()
            shifts = rng.integers(0, n, 300)
            dispatches = [
                Dispatch(kernel, {0: buffers[k % 2], 1: buffers[1 - k % 2], 2: n, 3: int(by)}, (n,), (min(n, 256),))
                for k, by in enumerate(shifts)
            ]
            device.run(dispatches)
            for by in shifts:
                want = 3 * np.roll(want, -by) + 1
            np.testing.assert_array_equal(buffers[0].array, want)


def test_of_many_kernels_those_that_are_asked_for_are_compiled(device: Device) -> None:
    source = (
        "#include <metal_stdlib>\ntemplate <int N> kernel void add(device int *x, uint i [[thread_position_in_grid]]) {"
    )
    source += " x[i] += N; }\n" + "".join(
        f'template [[host_name("add{n}")]] kernel void add<{n}>(device int *, uint);\n' for n in range(1000)
    )
    library = device.compile(source)
    assert len(library.kernels) == 1000 and len(library.kernels.compiled) == 1
    out = device.buffer(np.zeros(8, np.int32))
    device.run([Dispatch(library.kernels["add700"], {0: out}, threads=(8,), threadgroup=(8,))])
    assert (out.array == 700).all() and len(library.kernels.compiled) == 2
