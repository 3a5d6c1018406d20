"""Integer division and remainder: exact, never a trap, right in every lane."""

from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
QUOTIENTS = HEADER + (
    "kernel void divide(device const TYPE *a, device const TYPE *b, device TYPE *q, device TYPE *r,"
    " uint i [[thread_position_in_grid]]) { q[i] = a[i] / b[i]; r[i] = a[i] % b[i]; }\n"
)
TYPES: dict[str, Any] = {
    "char": np.int8,
    "uchar": np.uint8,
    "short": np.int16,
    "ushort": np.uint16,
    "int": np.int32,
    "uint": np.uint32,
}
TYPES |= {"long": np.int64, "ulong": np.uint64}


def divide(device: Device, name: str, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kernel = device.compile(QUOTIENTS.replace("TYPE", name)).kernels["divide"]
    q, r = device.empty(a.shape, a.dtype), device.empty(a.shape, a.dtype)
    bound = {0: device.buffer(a), 1: device.buffer(b), 2: q, 3: r}
    device.run([Dispatch(kernel, bound, (len(a),), (64,))])
    return q.array, r.array


def truncated(a: int, b: int) -> tuple[int, int]:
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - b * quotient


@pytest.mark.parametrize("name", TYPES)
def test_quotients_truncate_and_remainders_have_the_dividend_s_sign(device: Device, name: str) -> None:
    dtype, rng = TYPES[name], np.random.default_rng(5)
    info = np.iinfo(dtype)
    edges = np.array([info.min, info.min + 1, info.max, info.max - 1, 1, 2, 3, 7, 10], dtype)
    a = np.concatenate([np.repeat(edges, len(edges)), rng.integers(info.min, info.max, 4000, dtype, endpoint=True)])
    b = np.concatenate([np.tile(edges, len(edges)), rng.integers(info.min, info.max, 2000, dtype, endpoint=True)])
    b = np.concatenate([b, rng.integers(1, 100, 2000).astype(dtype)])
    b[b == 0] = 1
    q, r = divide(device, name, a, b)
    want = [truncated(int(x), int(y)) for x, y in zip(a, b, strict=True)]
    assert q.tolist() == [quotient for quotient, _ in want]
    assert r.tolist() == [remainder for _, remainder in want]


def test_a_division_by_zero_gives_some_value_and_harms_nothing(device: Device) -> None:
    a = np.arange(-32, 32, dtype=np.int32)
    b = (a % 3).astype(np.int32)
    q, _ = divide(device, "int", a, b)
    fine = b != 0
    assert q[fine].tolist() == [int(int(x) / int(y)) for x, y in zip(a[fine], b[fine], strict=True)]


@pytest.mark.parametrize("kind", ["uint", "int", "ulong"])
def test_a_remainder_that_all_active_lanes_share_is_right_where_the_first_lane_is_idle(
    device: Device, kind: str
) -> None:
    """LLVM's vectoriser took it from the first lane."""
    source = HEADER + (
        "kernel void pick(device const int *s, device int *o, constant uint &NX, constant uint &NY,"
        " uint2 gid [[thread_position_in_grid]]) {\n"
        "    if (((gid.x + gid.y) & 1u) == 0u) { o[gid.y * NX + gid.x] = 7; return; }\n"
        f"    const {kind} row = (({kind})gid.y + 1) % ({kind})NY;\n"
        "    o[gid.y * NX + gid.x] = s[row * NX + gid.x];\n}\n"
    )
    n = 32
    s = np.arange(n * n, dtype=np.int32)
    out = device.empty((n, n), np.int32)
    kernel = device.compile(source).kernels["pick"]
    device.run([Dispatch(kernel, {0: device.buffer(s), 1: out, 2: n, 3: n}, (n, n), (16, 16))])
    j, i = np.indices((n, n))
    assert (out.array == np.where((i + j) % 2 == 0, 7, np.roll(s.reshape(n, n), -1, axis=0))).all()


@pytest.mark.parametrize("name", ["long", "ulong", "char", "int2", "uint3", "short4", "long2", "ulong3"])
def test_no_division_ends_the_kernel(device: Device, name: str) -> None:
    """By zero, and of the least integer by -1: some value there, the right one everywhere else."""
    lanes, scalar = int(name[-1]) if name[-1].isdigit() else 1, name.rstrip("234")
    info = np.iinfo(TYPES[scalar])
    edges = np.array([info.min, info.min + 1, info.max, 0, 1, 2, 7], info.dtype)
    divisors = np.array([0, -1 if info.min else 1, 1, 3, info.max], info.dtype)
    a, b = (grid.ravel() for grid in np.meshgrid(edges, divisors))
    kernel = device.compile(QUOTIENTS.replace("TYPE", name)).kernels["divide"]
    stride = {3: 4}.get(lanes, lanes)
    columns = [np.repeat(column[:, None], stride, axis=1) for column in (a, b)]
    q, r = device.empty(columns[0].shape, info.dtype), device.empty(columns[0].shape, info.dtype)
    bound = {0: device.buffer(columns[0]), 1: device.buffer(columns[1]), 2: q, 3: r}
    device.run([Dispatch(kernel, bound, (len(a),), (64,))])
    fine = (b != 0) & ~((a == info.min) & (b == -1) & (info.min < 0))
    want = [truncated(int(x), int(y)) for x, y in zip(a[fine], b[fine], strict=True)]
    for lane in range(lanes):
        assert q.array[fine, lane].tolist() == [quotient for quotient, _ in want]
        assert r.array[fine, lane].tolist() == [remainder for _, remainder in want]


def test_a_constant_divisor_of_zero_is_a_division_like_any_other(device: Device) -> None:
    source = HEADER + (
        "kernel void k(device int *x, device int4 *v, uint i [[thread_position_in_grid]])"
        " { x[i] = x[i] / 0; v[i] = v[i] % 0; x[i + 4] = 5; }"
    )
    x, v = device.buffer(np.arange(8, dtype=np.int32)), device.empty((4, 4), np.int32)
    device.run([Dispatch(device.compile(source).kernels["k"], {0: x, 1: v}, (4,), (4,))])
    assert x.array[4:].tolist() == [5] * 4
