"""The share of the risk of a false alarm that each look at growing data may take.

Lan and DeMets (Biometrika 70, 1983): a look at a fraction of the planned data may use the value of a spending function
minus what earlier looks used. The function here is O'Brien and Fleming's, which spends next to nothing early, so that
the last look is nearly as powerful as a single one. The level of a look follows from the chance to get past all earlier
ones, by integrating over the path of a Brownian motion (Armitage, McPherson and Rowe 1969).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

_NORMAL = NormalDist()
_POINTS = 241  # of a grid over the path
_REACH = 8.0  # standard deviations that the grid reaches down


@dataclass(frozen=True)
class Look:
    """Look after `pairs` pairs, a `fraction` of those that were planned at that time."""

    pairs: int
    fraction: float


def obrien_fleming(alpha: float, fraction: float) -> float:
    """Return the risk that a one-sided test at level `alpha` has spent at a fraction of its data."""
    if fraction >= 1:
        return alpha
    return 2 * _upper(_NORMAL.inv_cdf(1 - alpha / 2) / math.sqrt(fraction))


def level(alpha: float, looks: Sequence[Look]) -> float:
    """Return the one-sided level at which the last of `looks` is significant if none of the earlier ones was."""
    boundary = _path(alpha, tuple(looks)).boundary
    return _upper(boundary / math.sqrt(looks[-1].pairs))


@dataclass(frozen=True)
class _Path:
    """A Brownian motion that has crossed no boundary so far: its density, and the cost of crossing the last."""

    time: float
    spent: float
    boundary: float
    places: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


@lru_cache(maxsize=1024)
def _path(alpha: float, looks: tuple[Look, ...]) -> _Path:
    now = looks[-1]
    spent = obrien_fleming(alpha, now.fraction)
    if len(looks) == 1:
        boundary = _boundary(np.zeros(1), np.ones(1), float(now.pairs), spent)
        places = _grid(now.pairs, boundary)
        density = np.exp(-(places**2) / (2 * now.pairs)) / math.sqrt(2 * math.pi * now.pairs)
        return _Path(now.pairs, spent, boundary, places, density * _trapezoid(places))
    before = _path(alpha, looks[:-1])
    step = now.pairs - before.time
    spent = max(spent, before.spent)
    boundary = _boundary(before.places, before.weights, step, spent - before.spent)
    places = _grid(now.pairs, boundary)
    distance = places[:, None] - before.places[None, :]
    density = np.exp(-(distance**2) / (2 * step)) @ before.weights / math.sqrt(2 * math.pi * step)
    return _Path(now.pairs, spent, boundary, places, density * _trapezoid(places))


def _boundary(places: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], step: float, chance: float) -> float:
    """Find the value that a path from `places` exceeds after `step` with that chance."""
    scale = math.sqrt(step)
    low, high = 0.0, float(places.max()) + 40 * scale
    for _ in range(45):
        middle = (low + high) / 2
        above = float(weights @ _uppers((middle - places) / scale))
        if above > chance:
            low = middle
        else:
            high = middle
    return high


def _grid(time: float, boundary: float) -> npt.NDArray[np.float64]:
    lowest = -_REACH * math.sqrt(time)
    return np.linspace(lowest, min(boundary, -lowest), _POINTS)


def _trapezoid(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weights = np.full(places.shape, places[1] - places[0])
    weights[[0, -1]] /= 2
    return weights


def _upper(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2


def _uppers(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.fromiter(map(math.erfc, (z / math.sqrt(2)).tolist()), np.float64, z.size) / 2
