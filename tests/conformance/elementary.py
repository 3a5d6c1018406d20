"""The elementary functions of <metal_math>: their values, and the errors that Metal allows.

Bounds are those of the Metal Shading Language Specification, section 8.4: table 8.1 for float, 8.2 for float in fast
math, 8.3 for half. Where table 8.2 gives a formula in place of a figure ("implemented as ..."), table 8.1 holds here in
fast math too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
from floating import ROUNDED, Doubles, Reference, Tolerance, absolute, ulps

Array = npt.NDArray[Any]
HALF = ulps(1.0)
NEAR = 1000.0
"""Arguments of sine and cosine for which this device keeps to table 8.1 in fast math; table 8.2 ends at pi."""


def nowhere(*arguments: Any) -> Any:
    """Stand in for `exact` where the doubles of NumPy are good enough."""
    raise ValueError


@dataclass(frozen=True)
class Elementary:
    """A function of one or two numbers.

    exact: of finite numbers, by mpmath. double: NumPy's, everywhere, with C's values at zeros, infinities and NaNs.
    precise, fast, half: bounds. domain: from where samples are taken. fast_domain: where fast math promises anything.
    """

    name: str
    exact: Callable[..., Any]
    double: Reference
    precise: Tolerance
    fast: Tolerance
    half: Tolerance = HALF
    domain: tuple[float, float] = (-100.0, 100.0)
    fast_domain: Callable[..., npt.NDArray[np.bool_]] = lambda *arguments: np.ones(arguments[0].shape, np.bool_)
    arity: int = 1

    def reference(self, *arguments: Doubles) -> Doubles:
        """Compute values to a double's precision: mpmath's if it has one, NumPy's if the arguments are at the ends."""
        with np.errstate(all="ignore"):
            ends = self.double(*(x.astype(np.float64) for x in arguments))
        if self.exact is nowhere:
            return ends
        return np.array(
            [_value(self, xs, end) for *xs, end in zip(*map(np.ndarray.tolist, arguments), ends, strict=True)]
        )


@cache
def _at(name: str, arguments: tuple[float, ...]) -> float | None:
    """Evaluate by mpmath; None if the value is not a real number, or mpmath refuses."""
    with mpmath.workprec(90):
        try:
            value = ELEMENTARY[name].exact(*map(mpmath.mpf, arguments))
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        if isinstance(value, mpmath.mpc):
            return None
        return float(value) if abs(value) < mpmath.mpf(2) ** 1000 else float(mpmath.sign(value)) * float("inf")


def _value(function: Elementary, arguments: list[float], end: float) -> float:
    if not all(map(np.isfinite, arguments)) or 0.0 in arguments or not np.isfinite(end):
        return end  # mpmath knows neither -0 nor what C says at the ends
    value = _at(function.name, tuple(arguments))
    return end if value is None else value


def _exp_fast(x: Doubles, want: Doubles, unit: Doubles) -> Doubles:
    return (3 + np.floor(np.abs(2 * x))) * unit


def _log_fast(error: float, units: float) -> Tolerance:
    return lambda x, want, unit: np.where((x >= 0.5) & (x <= 2), np.maximum(error, units * unit), units * unit)


def _turns(x: Doubles) -> tuple[Doubles, Doubles]:
    """Split x into quarters of a period of 2 and the rest, exactly."""
    r = x - 2 * np.rint(x / 2)
    quarters = np.rint(2 * r)
    return np.remainder(quarters, 4), np.pi * (r - quarters / 2)


def _sinpi(x: Doubles) -> Doubles:
    quarter, r = _turns(x)
    value = np.select([quarter == 0, quarter == 1, quarter == 2], [np.sin(r), np.cos(r), -np.sin(r)], -np.cos(r))
    return np.where(x == 0, x, np.where(np.isfinite(x), value, np.nan))


def _cospi(x: Doubles) -> Doubles:
    quarter, r = _turns(x)
    value = np.select([quarter == 0, quarter == 1, quarter == 2], [np.cos(r), -np.sin(r), -np.cos(r)], np.sin(r))
    return np.where(np.isfinite(x), value, np.nan)


def _powr(x: Doubles, y: Doubles) -> Doubles:
    undefined = ((x == 0) & (y == 0)) | (np.isinf(x) & (y == 0)) | ((x == 1) & np.isinf(y)) | (x < 0) | np.isnan(x)
    return np.where(undefined | np.isnan(y), np.nan, np.power(np.abs(x), y))


def _near(x: Doubles) -> npt.NDArray[np.bool_]:
    return ~(np.abs(x) > NEAR) | ~np.isfinite(x)


def _trigonometric(name: str, exact: Callable[..., Any], double: Reference, units: float) -> Elementary:
    # Tighter than table 8.2, which ends at 2^-13.
    return Elementary(name, exact, double, ulps(units), absolute(2.0**-22, units), fast_domain=_near)


_ROWS = [
    Elementary("acos", mpmath.acos, np.arccos, ulps(4), ulps(5), domain=(-1, 1)),
    Elementary("acosh", mpmath.acosh, np.arccosh, ulps(4), ulps(4), domain=(1, 1e6)),
    Elementary("asin", mpmath.asin, np.arcsin, ulps(4), ulps(5), domain=(-1, 1)),
    Elementary("asinh", mpmath.asinh, np.arcsinh, ulps(4), ulps(4), domain=(-1e6, 1e6)),
    Elementary("atan", mpmath.atan, np.arctan, ulps(5), ulps(5), domain=(-1e6, 1e6)),
    Elementary("atanh", mpmath.atanh, np.arctanh, ulps(5), ulps(5), domain=(-1, 1)),
    _trigonometric("cos", mpmath.cos, np.cos, 4),
    Elementary("cosh", mpmath.cosh, np.cosh, ulps(4), ulps(4), domain=(-90, 90)),
    Elementary("cospi", mpmath.cospi, _cospi, ulps(4), absolute(2.0**-13, 4)),
    Elementary("exp", mpmath.exp, np.exp, ulps(4), _exp_fast, domain=(-110, 92)),
    Elementary("exp2", lambda x: mpmath.mpf(2) ** x, np.exp2, ulps(4), _exp_fast, domain=(-155, 130)),
    Elementary("exp10", lambda x: mpmath.mpf(10) ** x, lambda x: 10.0**x, ulps(4), ulps(4), domain=(-46, 40)),
    Elementary("log", mpmath.log, np.log, ulps(4), _log_fast(2.0**-21, 3), domain=(0, 3e38)),
    Elementary("log2", lambda x: mpmath.log(x, 2), np.log2, ulps(4), _log_fast(2.0**-22, 2), domain=(0, 3e38)),
    Elementary("log10", mpmath.log10, np.log10, ulps(4), ulps(4), domain=(0, 3e38)),
    Elementary("rsqrt", lambda x: 1 / mpmath.sqrt(x), lambda x: 1 / np.sqrt(x), ROUNDED, ulps(2), ROUNDED, (0, 1e30)),
    _trigonometric("sin", mpmath.sin, np.sin, 4),
    Elementary("sinh", mpmath.sinh, np.sinh, ulps(4), ulps(4), domain=(-90, 90)),
    Elementary("sinpi", mpmath.sinpi, _sinpi, ulps(4), absolute(2.0**-13, 4)),
    Elementary("sqrt", mpmath.sqrt, np.sqrt, ROUNDED, ulps(4), ROUNDED, (0, 1e30)),
    _trigonometric("tan", mpmath.tan, np.tan, 6),
    Elementary("tanh", mpmath.tanh, np.tanh, ulps(5), ulps(5), domain=(-20, 20)),
    Elementary("tanpi", lambda x: mpmath.sinpi(x) / mpmath.cospi(x), lambda x: _sinpi(x) / _cospi(x), ulps(6), ulps(6)),
    Elementary("atan2", mpmath.atan2, np.arctan2, ulps(6), ulps(6), arity=2),
    Elementary("pow", mpmath.power, np.power, ulps(16), ulps(16), domain=(-20, 20), arity=2),
    Elementary("powr", mpmath.power, _powr, ulps(16), ulps(16), domain=(-20, 20), arity=2),
    Elementary("divide", lambda x, y: x / y, np.divide, ROUNDED, ulps(2.5), ROUNDED, arity=2),
]  # fmt: skip
ELEMENTARY = {row.name: row for row in _ROWS}
