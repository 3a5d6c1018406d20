"""The dispatches that the recorded candidates were timed with, in the benchmark's own in-place style.

Facts of the host code of github.com/vicgalle/metal-sci-kernels, restated: grids in whole threadgroups, buffers bound by
index and exchanged from step to step. None of its code and none of its kernels is here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metalsci import cpu_metal

Dispatches = list[cpu_metal.Dispatch]
Numbers = Mapping[str, float]
_Kernels = Mapping[str, cpu_metal.Kernel]
_Builder = Callable[[cpu_metal.Device, _Kernels, Sequence[float]], Dispatches]


def dispatches(task: str, device: cpu_metal.Device, kernels: _Kernels, label: str) -> Dispatches:
    """Return one timed run of a candidate at a size, whose label is the benchmark's."""
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", label)]
    return BUILDERS[task](device, kernels, numbers)


def _whole(threads: Sequence[int], group: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-n // g) * g for n, g in zip(threads, group, strict=True))


def _line(limit: int, wanted: int) -> tuple[int]:
    return (min(limit, wanted),)


def _plane(kernel: cpu_metal.Kernel) -> tuple[int, int]:
    height = 16
    while 16 * height > kernel.max_total_threads_per_threadgroup:
        height //= 2
    return 16, height


def _u(value: float) -> np.uint32:
    return np.uint32(value)


def _f(value: float) -> np.float32:
    return np.float32(value)


def _steps(
    kernel: cpu_metal.Kernel, count: int, buffers: Sequence[Any], others: Mapping[int, Any], n: Any, group: Any
) -> Dispatches:
    """Return dispatches over two buffers at index 0 and 1 that change places."""
    a, b = buffers
    grid = _whole(n, group)
    return [
        cpu_metal.Dispatch(kernel, {0: (a, b)[step % 2], 1: (b, a)[step % 2], **others}, grid, group)
        for step in range(count)
    ]


def _random(device: cpu_metal.Device, shape: tuple[int, ...]) -> Any:
    return device.buffer(np.random.default_rng(1).random(shape, dtype=np.float32))


def _heat2d(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    nx, ny, steps = map(int, numbers)
    kernel = kernels["heat_step"]
    buffers = [_random(device, (ny, nx)), device.empty((ny, nx), np.float32)]
    return _steps(kernel, steps, buffers, {2: _u(nx), 3: _u(ny), 4: _f(0.2)}, (nx, ny), _plane(kernel))


def _lbm(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    nx, ny, steps = map(int, numbers)
    kernel = kernels["lbm_step"]
    buffers = [_random(device, (9, ny, nx)), device.empty((9, ny, nx), np.float32)]
    return _steps(kernel, steps, buffers, {2: _u(nx), 3: _u(ny), 4: _f(0.8)}, (nx, ny), _plane(kernel))


def _wave3d(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    nx, ny, nz, steps = map(int, numbers)
    kernel = kernels["wave_step"]
    x, y, z = 8, 8, 4
    while x * y * z > kernel.max_total_threads_per_threadgroup:
        if z > 1:
            z //= 2
        elif y > 1:
            y //= 2
        else:
            x //= 2
    fields = [_random(device, (nz, ny, nx)), _random(device, (nz, ny, nx)), device.empty((nz, ny, nx), np.float32)]
    grid = _whole((nx, ny, nz), (x, y, z))
    made = []
    for step in range(steps):
        bound = {index: fields[(step + index) % 3] for index in range(3)}
        bound |= {3: _u(nx), 4: _u(ny), 5: _u(nz), 6: _f(0.18)}
        made.append(cpu_metal.Dispatch(kernel, bound, grid, (x, y, z)))
    return made


def _bodies(device: cpu_metal.Device, positions: Any, velocities: Any) -> list[tuple[Any, Any]]:
    size = positions.shape
    first = device.buffer(positions), device.buffer(velocities)
    return [first, (device.empty(size, np.float32), device.empty(size, np.float32))]


def _nbody(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    n, steps = map(int, numbers)
    kernel, rng = kernels["nbody_step"], np.random.default_rng(1)
    group = _line(kernel.max_total_threads_per_threadgroup, 128)
    positions = rng.uniform(-1, 1, (n, 4)).astype(np.float32)
    sets = _bodies(device, positions, rng.uniform(-0.01, 0.01, (n, 4)).astype(np.float32))
    mass = device.buffer(rng.uniform(0.5, 1.5, n).astype(np.float32))
    made = []
    for step in range(steps):
        (p, v), (q, w) = sets[step % 2], sets[1 - step % 2]
        bound = {0: p, 1: q, 2: v, 3: w, 4: mass, 5: _u(n), 6: _f(1e-3), 7: _f(0.05), 8: _f(1)}
        made.append(cpu_metal.Dispatch(kernel, bound, _whole((n,), group), group))
    return made


def _hmc(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    d, k = map(int, numbers)
    kernel, rng = kernels["hmc_step"], np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    inverse = (turn / np.geomspace(0.5, 2.0, d)) @ turn.T
    buffers = [device.buffer(2 * rng.standard_normal((k, d)).astype(np.float32)), device.empty((k, d), np.float32)]
    accepted, matrix = device.buffer(np.zeros(k, np.uint32)), device.buffer(inverse.astype(np.float32))
    group = _line(kernel.max_total_threads_per_threadgroup, 64)
    made = []
    for step in range(200):
        bound: dict[int, Any] = {0: buffers[step % 2], 1: buffers[1 - step % 2], 2: accepted, 3: matrix}
        bound |= {4: _u(k), 5: _u(d), 6: _u(10), 7: _f(0.2), 8: _u(step), 9: _u(0xCAFEBEEF)}
        made.append(cpu_metal.Dispatch(kernel, bound, _whole((k,), group), group))
    return made


def _ising(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    nx, ny, sweeps = map(int, numbers)
    kernel, rng = kernels["ising_step"], np.random.default_rng(1)
    spins = device.buffer((2 * rng.integers(0, 2, (ny, nx)) - 1).astype(np.int8))
    table = np.array([1, 1, 1, np.exp(-4 * 0.42), np.exp(-8 * 0.42)], np.float32)
    accept = device.buffer(table)
    group = _plane(kernel)
    grid = _whole((nx, ny), group)
    return [
        cpu_metal.Dispatch(
            kernel, {0: spins, 1: accept, 2: _u(nx), 3: _u(ny), 4: _u(step), 5: _u(0xC0FFEE01)}, grid, group
        )
        for step in range(2 * sweeps)
    ]


def _lj(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    n, m, steps = map(int, numbers)
    side = {1728: 13.8, 4096: 18.4, 10648: 25.3, 2744: 16.1}[n]
    rng, per_side = np.random.default_rng(1), round(n ** (1 / 3))
    spacing = side / per_side
    lattice = np.indices((per_side,) * 3).reshape(3, -1).T * spacing
    positions, velocities = np.zeros((n, 4), np.float32), np.zeros((n, 4), np.float32)
    positions[:, :3] = np.mod(lattice + rng.uniform(-0.05, 0.05, (n, 3)) * spacing, side)
    velocities[:, :3] = rng.uniform(-0.3, 0.3, (n, 3))
    sets = _bodies(device, positions, velocities)
    counts, cells = device.buffer(np.zeros(m**3, np.uint32)), device.buffer(np.zeros(m**3 * 64, np.uint32))
    made = []
    for step in range(steps):
        (p, v), (q, w) = sets[step % 2], sets[1 - step % 2]
        made.append(_one(kernels["lj_clear_cells"], {0: counts, 1: _u(m**3)}, m**3))
        bound = {0: p, 1: counts, 2: cells, 3: _u(n), 4: _u(m), 5: _f(side), 6: _u(64)}
        made.append(_one(kernels["lj_build_cells"], bound, n))
        bound = {0: p, 1: q, 2: v, 3: w, 4: counts, 5: cells, 6: _u(n), 7: _u(m), 8: _f(side)}
        made.append(_one(kernels["lj_step"], bound | {9: _f(6.25), 10: _f(0.005), 11: _u(64)}, n))
    return made


def _one(kernel: cpu_metal.Kernel, bound: Mapping[int, Any], n: int) -> cpu_metal.Dispatch:
    group = _line(kernel.max_total_threads_per_threadgroup, 128)
    return cpu_metal.Dispatch(kernel, bound, _whole((n,), group), group)


def _gradshaf(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    nr, nz, steps = map(int, numbers)
    reduce, step_kernel = kernels["gradshaf_axis_reduce"], kernels["gradshaf_step"]
    field = np.sin(np.pi * np.linspace(0, 1, nz))[:, None] * np.sin(np.pi * np.linspace(0, 1, nr))
    fields = [device.buffer(field.astype(np.float32)), device.empty((nz, nr), np.float32)]
    axis = device.empty((8,), np.float32)
    lanes = 1
    while lanes * 2 <= min(256, reduce.max_total_threads_per_threadgroup):
        lanes *= 2
    group = _plane(step_kernel)
    given = {5: _f(1), 6: _f(1 / (nr - 1)), 7: _f(1 / (nz - 1)), 8: _f(200), 9: _f(1), 10: _f(1)}
    made = []
    for step in range(steps):
        a, b = fields[step % 2], fields[1 - step % 2]
        made.append(cpu_metal.Dispatch(reduce, {0: a, 1: axis, 2: _u(nr), 3: _u(nz)}, (lanes,), (lanes,)))
        bound = {0: a, 1: b, 2: axis, 3: _u(nr), 4: _u(nz), **given}
        made.append(cpu_metal.Dispatch(step_kernel, bound, _whole((nr, nz), group), group))
    return made


def _fft3d(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    n = int(numbers[0])
    a, b = _random(device, (n, n, n, 2)), device.empty((n, n, n, 2), np.float32)
    pairs = (("fft3d_x", a, b), ("fft3d_y", b, a), ("fft3d_z", a, b))
    return [cpu_metal.Dispatch(kernels[name], {0: x, 1: y, 2: _u(n)}, (n, n * n), (n, 1)) for name, x, y in pairs]


def _adi3d(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    *sides, steps = map(int, numbers)
    nx, ny, nz = sides if len(sides) == 3 else sides * 3
    buffers = [_random(device, (nz, ny, nx)), device.empty((nz, ny, nx), np.float32)]
    given = {2: _u(nx), 3: _u(ny), 4: _u(nz), 5: _f(0.5)}
    made: Dispatches = []
    for step in range(steps):
        for axis, (name, grid) in enumerate((("adi_x", (ny, nz)), ("adi_y", (nx, nz)), ("adi_z", (nx, ny)))):
            turn = (3 * step + axis) % 2
            bound: dict[int, Any] = {0: buffers[turn], 1: buffers[1 - turn], **given}
            made.append(cpu_metal.Dispatch(kernels[name], bound, grid, (32, 1)))
    return made


def _morton(device: cpu_metal.Device, kernels: _Kernels, numbers: Sequence[float]) -> Dispatches:
    n, steps = map(int, numbers)
    kernel = kernels["morton_stencil"]
    buffers = [_random(device, (n**3,)), device.empty((n**3,), np.float32)]
    group = _line(kernel.max_total_threads_per_threadgroup, 256)
    return _steps(kernel, steps, buffers, {2: _u(n), 3: _u(round(np.log2(n))), 4: _f(0.1)}, (n**3,), group)


BUILDERS: Mapping[str, _Builder] = {
    "heat2d": _heat2d, "lbm": _lbm, "wave3d": _wave3d, "nbody": _nbody, "hmc": _hmc, "ising": _ising, "lj": _lj,
    "gradshaf": _gradshaf, "fft3d": _fft3d, "adi3d": _adi3d, "morton": _morton,
}  # fmt: skip
