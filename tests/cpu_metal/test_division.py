"""Integer division and remainder: exact, never a trap, right in every lane."""

from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.llvm.division import without_traps

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


def test_a_division_by_a_constant_of_the_program_is_a_shift_or_a_mask(device: Device) -> None:
    text = (
        "@W.const = private unnamed_addr constant i32 32, align 4\n"
        "@Z.const = private unnamed_addr constant i32 0, align 4\n"
        "define i32 @f(i32 %0) {\n  %2 = load i32, ptr @W.const, align 4\n  %3 = urem i32 %0, %2\n  ret i32 %3\n}\n"
        "define i32 @g(i32 %0, i32 %1, i32 %2) {\n  %4 = urem i32 %0, %2\n  ret i32 %4\n}\n"
        "define i32 @h(i32 %0) {\n  %2 = load i32, ptr @Z.const, align 4\n  %3 = udiv i32 %0, %2\n  ret i32 %3\n}\n"
    )
    changed = without_traps(text)
    assert "%3 = urem i32 %0, 32" in changed  # which LLVM makes a mask of
    assert "%4 = call i32 @metal.urem.i32(i32 %0, i32 %2)" in changed
    assert "%3 = call i32 @metal.udiv.i32(i32 %0, i32 0)" in changed
    source = """#include <metal_stdlib>
using namespace metal;
constant uint W = 24;
constant int H = -7;
kernel void k(device const int *x, device int4 *y, uint i [[thread_position_in_grid]]) {
    y[i] = int4(uint(x[i]) % W, uint(x[i]) / W, x[i] % H, x[i] / H);
}
"""
    x = np.array([0, 1, 23, 24, 25, 1 << 30, -1, -8, -(1 << 31), 12345], np.int32)
    found = device.buffer(np.zeros((len(x), 4), np.int32))
    kernel = device.compile(source).kernels["k"]
    device.run([Dispatch(kernel, {0: device.buffer(x), 1: found}, (len(x),), (len(x),))])
    wide, bits = x.astype(np.int64), x.view(np.uint32)
    quotient = (np.abs(wide) // 7 * np.sign(wide) * -1).astype(np.int32)
    want = np.stack([(bits % 24).view(np.int32), (bits // 24).view(np.int32), x - quotient * -7, quotient], 1)
    assert (found.array == want).all()
