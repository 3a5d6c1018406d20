"""fma, fmax and fmin of halfs are exact or rounded once, whatever instructions the processor has for them."""

import platform
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from binary_formats import HALF

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain

Halfs = npt.NDArray[np.float16]
SOURCE = """#include <metal_stdlib>
using namespace metal;
#define ARGUMENTS(T) device const T *x [[buffer(0)]], device const T *y [[buffer(1)]], device const T *z [[buffer(2)]]
kernel void scalars(ARGUMENTS(half), device half *fused [[buffer(3)]], device half *greater [[buffer(4)]],
                    device half *lesser [[buffer(5)]], uint i [[thread_position_in_grid]]) {
    fused[i] = fma(x[i], y[i], z[i]);
    greater[i] = fmax(x[i], y[i]);
    lesser[i] = min(x[i], y[i]);
}
kernel void vectors(ARGUMENTS(half4), device half4 *fused [[buffer(3)]], device half4 *greater [[buffer(4)]],
                    device half4 *lesser [[buffer(5)]], uint i [[thread_position_in_grid]]) {
    fused[i] = fma(x[i], y[i], z[i]);
    greater[i] = max(x[i], y[i]);
    lesser[i] = fmin(x[i], y[i]);
}
"""
COUNT = 8000
LEVELS = ["native", *(["x86-64-v2"] if platform.machine() == "x86_64" else [])]


@pytest.fixture(scope="module", params=LEVELS)
def machine(cache: Cache, request: pytest.FixtureRequest) -> Iterator[Device]:
    with Device(cache=cache, toolchain=Toolchain(architecture=request.param)) as device:
        yield device


def arithmetic(device: Device, kernel: str, mode: str, *arguments: Halfs) -> tuple[Halfs, Halfs, Halfs]:
    """Compute fma, the greater and the lesser of the arguments."""
    buffers = [*map(device.buffer, arguments), *(device.empty(arguments[0].shape, np.float16) for _ in range(3))]
    threads = arguments[0].size // (4 if kernel == "vectors" else 1)
    built = device.compile(SOURCE, mode).kernels[kernel]
    device.run([Dispatch(built, dict(enumerate(buffers)), (threads,), (64,))])
    fused, greater, lesser = (np.array(buffer.array) for buffer in buffers[3:])
    return fused, greater, lesser


def triples() -> tuple[Halfs, Halfs, Halfs]:
    """Draw bit patterns; sums of a product and an addend of like size; products next to half of a sum's last bit."""
    rng = np.random.default_rng(3)
    patterns = rng.integers(0, 2**16, (3, COUNT), np.uint16).view(np.float16)
    like = rng.uniform(1, 2, (3, COUNT)) * rng.choice([-1, 1], (3, COUNT))
    like[2] *= 2.0 ** rng.integers(-12, 12, COUNT)
    # 1 - 2^-20 and 1 + 2^-9 + 2^-20 of half a unit; and half a unit itself.
    factors = np.array([[1 + 2**-10, 1 - 2**-10], [1 + 2**-10, 1 + 2**-10], [1, 1], [1 - 2**-11, 1 - 2**-11]])
    addend = (1 + rng.integers(0, 1024, COUNT) / 1024) * 2.0 ** rng.integers(-6, 15, COUNT)
    unit = 2.0 ** (np.floor(np.log2(addend)) - 11)
    x, y = factors[rng.integers(0, 4, COUNT)].T
    ties = np.stack([x * rng.choice([-1, 1], COUNT), y * unit, addend * rng.choice([-1, 1], COUNT)])
    ends = np.array([0.0, -0.0, 2**-24, -(2**-24), 2**-14, 65504, -65504, 1, np.inf, -np.inf, np.nan])
    corners = np.stack(np.meshgrid(ends, ends, ends)).reshape(3, -1)
    columns = np.concatenate([patterns, like, ties, corners[:, : corners.shape[1] // 4 * 4]], axis=1)
    x, y, z = columns.astype(np.float16)
    return x, y, z


@pytest.fixture(scope="module")
def expected() -> list[int | None]:
    return expected_fma(*triples())


def expected_fma(x: Halfs, y: Halfs, z: Halfs) -> list[int | None]:
    """Compute the bits; None for a NaN."""
    want: list[int | None] = []
    for a, b, c in zip(x.tolist(), y.tolist(), z.tolist(), strict=True):
        if np.isfinite([a, b, c]).all():
            exact = Fraction(a) * Fraction(b) + Fraction(c)
            negative = bool(np.signbit(a) ^ np.signbit(b)) and bool(np.signbit(c))
            want.append(HALF.rounded(exact, negative_zero=negative and a * b == 0 == c))
        else:
            with np.errstate(invalid="ignore"):
                special = np.float64(a) * np.float64(b) + np.float64(c)
            want.append(None if np.isnan(special) else int(np.float16(special).view(np.uint16)))
    return want


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kernel", ["scalars", "vectors"])
def test_fma_rounds_once(machine: Device, expected: list[int | None], kernel: str, mode: str) -> None:
    x, y, z = triples()
    fused, _, _ = arithmetic(machine, kernel, mode, x, y, z)
    wrong = [
        (x[i], y[i], z[i], got, want)
        for i, (got, want) in enumerate(zip(fused, expected, strict=True))
        if not (np.isnan(got) if want is None else agree(got, want, mode))
    ]
    assert not wrong, (len(wrong), wrong[:5])


def agree(got: np.float16, want: int, mode: str) -> bool:
    """Compare to the bit; but fast math may change the sign of a zero."""
    bits = int(got.view(np.uint16))
    return bits == want or (mode == "fast" and {bits, want} == {0, 1 << 15})


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kernel", ["scalars", "vectors"])
def test_the_greater_and_the_lesser(machine: Device, kernel: str, mode: str) -> None:
    x, y, z = triples()
    _, greater, lesser = arithmetic(machine, kernel, mode, x, y, z)
    np.testing.assert_array_equal(greater, np.fmax(x, y))
    np.testing.assert_array_equal(lesser, np.fmin(x, y))


def test_a_chain_of_fmas_is_rounded_at_each(machine: Device) -> None:
    """The conversions between two of them stay, under fast math too."""
    source = """#include <metal_stdlib>
kernel void chain(device const half *x, device half *y, uint i [[thread_position_in_grid]]) {
    half sum = 0.0h;
    for (int k = 0; k < 16; ++k) sum = metal::fma(x[i], x[i + k], sum);
    y[i] = sum;
}"""
    x = np.random.default_rng(8).normal(size=512 + 16).astype(np.float16)
    y = machine.empty((512,), np.float16)
    kernel = machine.compile(source).kernels["chain"]
    machine.run([Dispatch(kernel, {0: machine.buffer(x), 1: y}, (512,), (64,))])
    for i in range(512):
        bits = 0
        for k in range(16):
            product: Any = Fraction(float(x[i])) * Fraction(float(x[i + k]))
            bits = HALF.rounded(product + HALF.value(bits))
        assert int(y.array[i].view(np.uint16)) == bits, i
