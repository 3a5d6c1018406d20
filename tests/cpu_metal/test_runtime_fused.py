"""Fused multiply-add as the compiler calls it where the processor has no such instruction, against exact fractions."""

import ctypes
import subprocess
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from binary_formats import Format

from metalsci.cpu_metal.compile.toolchain import RUNTIME, Toolchain

CALLS = """
#define FUSED(NAME, T) \\
  extern T NAME(T, T, T); \\
  __attribute__((visibility("default"))) void each_##NAME(const T *x, const T *y, const T *z, T *r, unsigned n) { \\
    for (unsigned i = 0; i < n; ++i) r[i] = NAME(x[i], y[i], z[i]); \\
  }
FUSED(fma, double)
FUSED(fmaf, float)
"""
TYPES = [("fma", np.float64, np.uint64, Format(52, 11)), ("fmaf", np.float32, np.uint32, Format(23, 8))]
Floating = type[np.floating[Any]]
Fused = Callable[..., npt.NDArray[Any]]


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Fused:
    folder = tmp_path_factory.mktemp("runtime")
    (folder / "calls.c").write_text(CALLS)
    # Bound to its own functions: libm has others of these names.
    command = [Toolchain().zig, "cc", "-shared", "-ffreestanding", "-nostdlib", "-fPIC", "-O1", "-Wl,-Bsymbolic"]
    sources = ["calls.c", str(RUNTIME / "fused.c")]
    subprocess.run([*command, *sources, "-o", "calls.so"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "calls.so"))

    def each(name: str, *columns: npt.NDArray[Any]) -> npt.NDArray[Any]:
        result = np.empty_like(columns[0])
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*columns, result)]
        getattr(library, f"each_{name}")(*pointers, result.size)
        return result

    return each


def triples(dtype: Floating, bits: Any, count: int = 4000) -> npt.NDArray[Any]:
    """Return rows x, y, z: bit patterns, results at both ends of the range, cancellation, ties and neighbours."""
    rng = np.random.default_rng(12)
    info = np.finfo(dtype)
    patterns = rng.integers(0, np.iinfo(bits).max, (3, count), bits, endpoint=True).view(dtype)
    sign = rng.choice([-1.0, 1.0], (3, count))
    like = rng.uniform(1, 2, (3, count)) * sign
    far = like * [[1], [1], [1]]
    far[2] *= np.exp2(rng.integers(-2 * info.nmant - 6, 2 * info.nmant + 6, count))
    tiny = like * np.array([[1.0], [float(info.tiny)], [float(info.tiny)]])
    tiny[1:] *= np.exp2(rng.integers(-info.nmant - 3, 3, (2, count)))
    huge = like * np.array([[1.0], [float(info.max) / 4], [float(info.max) / 2]])
    cancelled = like.astype(dtype).copy()
    cancelled[2] = -(cancelled[0] * cancelled[1])  # what is left is the product's rounding error
    # Products just below, at and just above half of the last bit of the sum.
    factors = np.array([[1 + info.eps, 1 - info.eps], [1 + info.eps, 1 + info.eps], [1, 1]])
    ties = np.concatenate([factors[rng.integers(0, 3, count)].T, rng.uniform(1, 2, (1, count))]) * sign
    ties[1] *= float(info.eps) / 2
    return np.concatenate(
        [column.astype(dtype) for column in (patterns, like, far, tiny, huge, cancelled, ties)], axis=1
    )


@pytest.mark.parametrize(("name", "dtype", "bits", "form"), TYPES)
def test_it_rounds_once(fused: Fused, name: str, dtype: Floating, bits: Any, form: Format) -> None:
    x, y, z = rows = triples(dtype, bits)
    finite = np.isfinite(rows).all(axis=0) & (x != 0) & (y != 0)
    x, y, z = (row[finite] for row in rows)
    assert x.size > 20_000
    got = fused(name, x, y, z).view(bits)
    exact = [
        Fraction(a) * Fraction(b) + Fraction(c) for a, b, c in zip(x.tolist(), y.tolist(), z.tolist(), strict=True)
    ]
    want = [form.rounded(value) for value in exact]
    wrong = [(x[i], y[i], z[i], hex(got[i]), hex(want[i])) for i in range(x.size) if got[i] != want[i]]
    assert not wrong, (len(wrong), wrong[:5])


@pytest.mark.parametrize(("name", "dtype", "bits", "form"), TYPES)
def test_zeros_infinities_and_nans(fused: Fused, name: str, dtype: Floating, bits: Any, form: Format) -> None:
    ends = np.array([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan], dtype)
    x, y, z = (np.ascontiguousarray(column) for column in np.stack(np.meshgrid(ends, ends, ends)).reshape(3, -1))
    with np.errstate(invalid="ignore"):
        want = x * y + z
    got = fused(name, x, y, z)
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize(("name", "dtype", "bits", "form"), TYPES)
def test_a_product_that_vanishes_keeps_its_sign(
    fused: Fused, name: str, dtype: Floating, bits: Any, form: Format
) -> None:
    """Next to a zero too: the exact sum is not zero."""
    least = np.finfo(dtype).smallest_subnormal
    x = np.array([least, -least, least, -least], dtype)
    y = np.full(4, least, dtype)
    z = np.array([0.0, 0.0, -0.0, -0.0], dtype)
    assert np.signbit(fused(name, x, y, z)).tolist() == [False, True, False, True]
