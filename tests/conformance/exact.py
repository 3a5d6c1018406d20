"""Functions of <metal_math> and <metal_common> whose values are exact or correctly rounded, in every math mode."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from floating import EXACT, ROUNDED, Doubles, Reference, Tolerance

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Exact:
    """A function of floating-point numbers, of which `integers` names those arguments that are int.

    call: given if it is more than the name and its arguments. There and in `result`, `T` is the type and `I` the int of
        its size.
    fast_domain: the arguments for which fast math promises anything.
    """

    name: str
    reference: Reference
    arity: int = 1
    call: str = ""
    before: str = ""
    result: str = "T"
    tolerance: Tolerance = EXACT
    integers: str = ""
    fast_domain: Callable[..., npt.NDArray[np.bool_]] = lambda *arguments: np.ones(arguments[0].shape, np.bool_)


def _largest(*values: Doubles) -> Doubles:
    return np.asarray(np.fmax.reduce(values))


def _least(*values: Doubles) -> Doubles:
    return np.asarray(np.fmin.reduce(values))


def _median(x: Doubles, y: Doubles, z: Doubles) -> Doubles:
    """Take the median.

    A NaN counts as missing, and of two numbers that are left either is allowed: this is one of them.
    """
    return _largest(_least(x, y), _least(_largest(x, y), z))


def _fma(x: Doubles, y: Doubles, z: Doubles) -> Doubles:
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    rounded = [
        float(Fraction(a) * Fraction(b) + Fraction(c)) if f else 0.0
        for a, b, c, f in zip(x.tolist(), y.tolist(), z.tolist(), finite.tolist(), strict=True)
    ]
    plain = x * y + z
    return np.where(finite & ((plain != 0) | (np.array(rounded) != 0)), rounded, plain)


def _binary_exponent(x: Doubles) -> Doubles:
    return np.where(np.isfinite(x), np.frexp(x)[1], 0)


def _exponent(x: Doubles) -> Doubles:
    return np.frexp(x)[1] - 1.0


def _ilogb(x: Doubles) -> Doubles:
    return np.where(x == 0, -(2.0**31), np.where(np.isfinite(x), _exponent(x), 2.0**31 - 1))


def _between(x: Doubles, low: Doubles, high: Doubles) -> Doubles:
    return np.fmin(np.fmax(x, low), high)


_ROWS = [
    Exact("fabs", np.abs),
    Exact("abs", np.abs),
    Exact("ceil", np.ceil),
    Exact("floor", np.floor),
    Exact("trunc", np.trunc),
    Exact("rint", np.rint),
    Exact("round", lambda x: np.trunc(x + np.copysign(0.5, x))),
    Exact("fract", lambda x: x - np.floor(x), tolerance=ROUNDED),
    Exact("sign", lambda x: np.where(np.isnan(x), 0.0, np.where(x == 0, x, np.sign(x)))),
    Exact("saturate", lambda x: _between(x, np.zeros(1), np.ones(1))),
    Exact("ilogb", _ilogb, result="I"),
    Exact("frexp", lambda x: np.frexp(x)[0], call="frexp(x, e)", before="I e;"),
    Exact("frexp: exponent", _binary_exponent, call="e", before="I e; frexp(x, e);", result="I"),
    Exact("modf", lambda x: np.modf(x)[0], call="modf(x, w)", before="T w;"),
    Exact("modf: whole", np.trunc, call="w", before="T w; modf(x, w);"),
    Exact("fmin", _least, 2),
    Exact("fmax", _largest, 2),
    Exact("min", _least, 2),
    Exact("max", _largest, 2),
    Exact("copysign", np.copysign, 2),
    Exact("fdim", lambda x, y: np.where(x <= y, 0.0, x - y), 2, tolerance=ROUNDED),
    Exact("fmod", np.fmod, 2, fast_domain=lambda x, y: ~(np.isfinite(x) & (np.abs(x) > 2.0**50 * np.abs(y)))),
    Exact("step", lambda edge, x: np.where(x < edge, 0.0, 1.0), 2),
    Exact("ldexp", lambda x, k: np.ldexp(x, np.clip(k, -700, 700)), 2, tolerance=ROUNDED, integers="y"),
    Exact("fma", _fma, 3, tolerance=ROUNDED),
    Exact("fmin3", _least, 3),
    Exact("fmax3", _largest, 3),
    Exact("min3", _least, 3),
    Exact("max3", _largest, 3),
    Exact("fmedian3", _median, 3),
    Exact("median3", _median, 3),
    Exact("clamp", lambda x, y, z: _between(x, _least(y, z), _largest(y, z)), 3, call="clamp(x, min(y, z), max(y, z))"),
]  # fmt: skip
EXACT_FUNCTIONS = {row.name: row for row in _ROWS}
