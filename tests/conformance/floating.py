"""Floating point as section 8 of Metal's specification judges it: units in the last place, flushed subnormals."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]
Reference = Callable[..., Doubles]
"""A function in double precision, of arguments in double precision."""
Tolerance = Callable[[Doubles, Doubles, Doubles], Doubles]
"""The absolute error allowed: of the first argument, the value wanted and the unit in its last place."""

SLACK = 2.0**-28
"""Share of a reference in double precision in an error, in units of a float."""


def ulps(count: float) -> Tolerance:
    return lambda x, want, unit: count * unit


def absolute(error: float, otherwise: float = 0.0) -> Tolerance:
    """Allow an absolute error, or so many units where these are more."""
    return lambda x, want, unit: np.maximum(error, otherwise * unit)


EXACT = ulps(0.0)
ROUNDED = ulps(0.5 + SLACK)
"""Correctly rounded."""


def special(dtype: type[np.floating[Any]]) -> Array:
    """Return zeros, infinities, NaN, the ends of the range, subnormals, halves, and neighbours of whole numbers."""
    info = np.finfo(dtype)
    tiny, least = float(info.tiny), float(info.smallest_subnormal)
    whole = 2.0 ** (info.nmant + 1)  # from here on there are whole numbers only
    ends = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 10.0, 100.5, whole / 4 + 0.5, whole / 2 + 1, whole, 2 * whole]
    ends += [np.pi, np.pi / 2, np.e, 1e-3, 0.70710678, float(info.max), tiny, tiny / 2, least, np.inf]
    sharp = np.array(ends, dtype)
    with np.errstate(over="ignore"):
        near = [np.nextafter(sharp, dtype(to)) for to in (0, np.inf)]
    positive = np.concatenate([sharp, *near])
    return np.concatenate([positive, -positive, [dtype(np.nan)]]).astype(dtype)


def spread(rng: np.random.Generator, count: int, low: float, high: float, dtype: type[np.floating[Any]]) -> Array:
    """Draw values between the bounds: half of them uniform, half of all magnitudes."""
    low, high = max(low, -float(np.finfo(dtype).max)), min(high, float(np.finfo(dtype).max))
    uniform = rng.uniform(low, high, count // 2)
    largest = max(abs(low), abs(high))
    smallest = max(largest * 1e-12, float(np.finfo(dtype).tiny))
    magnitudes = np.exp(rng.uniform(np.log(smallest), np.log(largest), count)) * rng.choice([-1.0, 1.0], count)
    inside = magnitudes[(magnitudes >= low) & (magnitudes <= high)][: count // 2]
    return np.resize(np.concatenate([uniform, inside]), count).astype(dtype)


def wrong(
    got: Array, reference: Reference, arguments: tuple[Array, ...], tolerance: Tolerance, *, signed_zeros: bool = False
) -> npt.NDArray[np.intp]:
    """Find elements of `got` with none of the values that section 8 allows.

    Subnormal arguments and values may be flushed to zero. signed_zeros: a zero must have the reference's sign, unless
    something was flushed.
    """
    fine = _judged(got, reference, arguments, tolerance, signed_zeros)
    flushed = [_flushed(x) for x in arguments]
    rest = np.flatnonzero(~fine & np.any([f != x for f, x in zip(flushed, arguments, strict=True)], axis=0))
    for chosen in product(*zip(arguments, flushed, strict=True)):
        fine[rest] |= _judged(got[rest], reference, tuple(x[rest] for x in chosen), tolerance, False)
    return np.flatnonzero(~fine)


def _judged(
    got: Array, reference: Reference, arguments: tuple[Array, ...], tolerance: Tolerance, signed_zeros: bool
) -> npt.NDArray[np.bool_]:
    want = _in_double(reference, arguments)
    fine = _allowed(got, want, arguments[0].astype(np.float64), tolerance)
    return fine & ((want != 0) | (np.signbit(got) == np.signbit(want))) if signed_zeros else fine


def _flushed(x: Array) -> Array:
    """Flush subnormals, except of halfs, which this device does not flush."""
    if x.dtype != np.float32:
        return x
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def _in_double(reference: Reference, arguments: tuple[Array, ...]) -> Doubles:
    with np.errstate(all="ignore"):
        return np.asarray(
            reference(*(x.astype(np.float64) if x.dtype.kind == "f" else x for x in arguments)), np.float64
        )


def _allowed(got: Array, want: Doubles, x: Doubles, tolerance: Tolerance) -> npt.NDArray[np.bool_]:
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        last_unit = np.nextafter(info.max, got.dtype.type(0))
        unit = np.spacing(np.clip(np.abs(rounded), info.tiny, last_unit)).astype(np.float64)
        error = np.abs(got.astype(np.float64) - want)
        same = (got == rounded) | (np.isnan(got) & np.isnan(want))
        near = error <= tolerance(x, want, unit)
        flushed = (np.abs(want) < info.tiny) & (np.abs(got) <= info.tiny)
        overflow = (
            np.isinf(got) & (np.sign(got) == np.sign(want)) & (np.abs(want) + tolerance(x, want, unit) > info.max)
        )
    return np.asarray(same | near | flushed | overflow)
