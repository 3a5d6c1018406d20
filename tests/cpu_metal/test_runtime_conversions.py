"""The conversions that the compiler calls if the processor has no instruction for them, against exact arithmetic."""

import ctypes
import subprocess
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from binary_formats import BFLOAT, HALF, Format

from metalsci.cpu_metal.compile.toolchain import RUNTIME, Toolchain

# Every function over an array.
CALLS = """
#define CONVERT(NAME, FROM, TO) \\
  extern TO NAME(FROM); \\
  __attribute__((visibility("default"))) void each##NAME(const FROM *x, TO *y, unsigned n) { \\
    for (unsigned i = 0; i < n; ++i) y[i] = NAME(x[i]); \\
  }
CONVERT(__truncsfhf2, float, _Float16)
CONVERT(__truncdfhf2, double, _Float16)
CONVERT(__truncsfbf2, float, __bf16)
CONVERT(__truncdfbf2, double, __bf16)
CONVERT(__extendhfsf2, _Float16, float)
CONVERT(__extendhfdf2, _Float16, double)
"""
NARROWING = [
    ("__truncsfhf2", np.float32, HALF),
    ("__truncdfhf2", np.float64, HALF),
    ("__truncsfbf2", np.float32, BFLOAT),
    ("__truncdfbf2", np.float64, BFLOAT),
]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("runtime")
    (folder / "calls.c").write_text(CALLS)
    command = [Toolchain().zig, "cc", "-shared", "-ffreestanding", "-nostdlib", "-fPIC", "-O1"]
    sources = ["calls.c", str(RUNTIME / "conversions.c")]
    subprocess.run([*command, *sources, "-o", "calls.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "calls.so"))


def converted(runtime: ctypes.CDLL, name: str, x: npt.NDArray[Any], result: npt.DTypeLike) -> npt.NDArray[Any]:
    y = np.empty(x.shape, result)
    getattr(runtime, f"each{name}")(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), x.size)
    return y


def neighbours(dtype: type[np.floating[Any]], to: Format) -> npt.NDArray[Any]:
    """Return numbers at the format's ends and in between, ties next to them, and the neighbours of ties."""
    chosen = [*range(100), *range(100, to.infinity - 101, 37), *range(to.infinity - 100, to.infinity)]
    numbers = [to.value(bits) for bits in chosen]
    nexts = [to.value(bits + 1) for bits in chosen[:-1]]
    nexts.append(2 * numbers[-1] - numbers[-2])  # where the number after the greatest would be
    ties = [(a + b) / 2 for a, b in zip(numbers, nexts, strict=True)]
    with np.errstate(over="ignore"):
        sharp = np.array([float(x) for x in (*numbers, *ties, nexts[-1], 4 * nexts[-1])], dtype)
        near = [sharp, np.nextafter(sharp, dtype(0)), np.nextafter(sharp, dtype(np.inf))]
    positive = np.concatenate(near)
    return np.concatenate([positive, -positive])


@pytest.mark.parametrize(("name", "dtype", "to"), NARROWING)
def test_narrowing_rounds_once(runtime: ctypes.CDLL, name: str, dtype: type[np.floating[Any]], to: Format) -> None:
    rng = np.random.default_rng(5)
    width = np.dtype(dtype).itemsize
    patterns = rng.integers(0, 256, 2_000 * width, np.uint8).view(dtype)
    x = np.concatenate([neighbours(dtype, to), patterns, rng.normal(size=2_000).astype(dtype)])
    x = x[np.isfinite(x)]
    got = converted(runtime, name, x, np.uint16)
    want = [to.rounded(Fraction(value), bool(np.signbit(value))) for value in x.tolist()]
    wrong = np.flatnonzero(got != np.array(want, np.uint16))
    assert not wrong.size, [(x[i], hex(got[i]), hex(want[i])) for i in wrong[:5]]


@pytest.mark.parametrize(("name", "dtype", "to"), NARROWING[:2])
def test_narrowing_to_halfs_is_as_numpys(
    runtime: ctypes.CDLL, name: str, dtype: type[np.floating[Any]], to: Format
) -> None:
    rng = np.random.default_rng(6)
    x = np.exp2(rng.uniform(-30, 18, 1_000_000)) * rng.choice([-1.0, 1.0], 1_000_000)
    x = x.astype(dtype)
    with np.errstate(over="ignore"):
        want = x.astype(np.float16)
    np.testing.assert_array_equal(converted(runtime, name, x, np.uint16), want.view(np.uint16))


@pytest.mark.parametrize(("name", "dtype", "to"), NARROWING)
def test_narrowing_keeps_infinities_and_nans(
    runtime: ctypes.CDLL, name: str, dtype: type[np.floating[Any]], to: Format
) -> None:
    sign = 1 << 15
    kept = converted(runtime, name, np.array([np.inf, -np.inf], dtype), np.uint16)
    assert kept.tolist() == [to.infinity, to.infinity | sign]
    # The least and the greatest payload, quiet and signalling.
    bits = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    significand = np.finfo(dtype).nmant
    infinity = int(np.array(np.inf, dtype).view(bits))
    payloads = [1, (1 << significand - 1) - 1, 1 << significand - 1, (1 << significand) - 1]
    nans = np.array([infinity | payload for payload in payloads], bits).view(dtype)
    got = converted(runtime, name, np.concatenate([nans, -nans]), np.uint16).tolist()
    assert all(bits & ~sign > to.infinity for bits in got)
    assert [bits & sign for bits in got] == [0] * 4 + [sign] * 4


@pytest.mark.parametrize(("name", "dtype"), [("__extendhfsf2", np.float32), ("__extendhfdf2", np.float64)])
def test_every_half_is_widened(runtime: ctypes.CDLL, name: str, dtype: type[np.floating[Any]]) -> None:
    x = np.arange(2**16, dtype=np.uint16)
    got = converted(runtime, name, x, dtype)
    finite = (x & 0x7FFF) < HALF.infinity
    assert got[finite].tolist() == [float(HALF.value(int(bits))) for bits in x[finite]]
    assert np.array_equal(np.signbit(got), x >> 15 == 1)
    assert np.isinf(got[(x & 0x7FFF) == HALF.infinity]).all()
    assert np.isnan(got[(x & 0x7FFF) > HALF.infinity]).all()
