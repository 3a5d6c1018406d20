"""Comparison of results with the reference: how far off, and what the wrong elements have in common.

A model reads these sentences.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metalsci.devices.program import Array

Deviation = NDArray[np.floating]

_PART = 1 << 13  # elements, which stay in a processor's cache, and which BLAS multiplies without threads
_SAMPLE = 100_000  # wrong elements that are looked at for a pattern
_DEPTH = 4  # cells from the edge of a grid that are its halo
_PERIODS = (2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Tolerance:
    """An element is right when |got − want| ≤ absolute + relative · max|want|.

    - absolute: in the units of the output.
    - relative: to the largest magnitude of the reference.
    - rms: the root mean square of the deviations may not exceed this fraction of that of the reference. Single
      precision stays far below 1e-4, half precision above, which a bound on the largest element alone cannot tell.
      null: not asked.
    """

    absolute: float = 0.0
    relative: float = 0.0
    rms: float | None = None

    def limit(self, want: Array) -> float:
        """Return the deviation that is allowed for a reference."""
        return self.bound(_Magnitude.of_array(want).largest)

    def bound(self, largest: float) -> float:
        """Return the same by the reference's largest magnitude."""
        return self.absolute + self.relative * largest


@dataclass(frozen=True)
class _Magnitude:
    """The largest of many magnitudes, NaN if one is, and their root mean square."""

    largest: float
    rms: float

    @classmethod
    def of(cls, parts: Iterable[Deviation]) -> Self:
        largest, squares, count = 0.0, 0.0, 0
        for part in parts:
            largest = float(np.maximum(largest, np.max(part, initial=0)))
            wide = part.astype(np.float64, copy=False)
            squares += float(np.dot(wide, wide))
            count += part.size
        return cls(largest, math.sqrt(squares / max(count, 1)))

    @classmethod
    def of_array(cls, array: Array) -> Self:
        return cls.of(map(np.abs, _parts(array)))


def judge(got: Array, want: Array, tolerance: Tolerance) -> float:
    """Return the error in units of the tolerance. NaN never passes: the error is then infinite."""
    pairs = zip(_parts(got), _parts(want), strict=True)
    off, right = _Magnitude.of(_deviation(g, w) for g, w in pairs), _Magnitude.of_array(want)
    error = _ratio(off.largest, tolerance.bound(right.largest))
    if tolerance.rms is not None and error <= 1.0:
        error = max(error, _ratio(off.rms, tolerance.rms * right.rms))
    return error


def _parts(array: Array) -> Iterator[Array]:
    """Yield an array in parts, since one of hundreds of megabytes takes three times as long as a whole."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, _PART):
        yield flat[start : start + _PART]


def _deviation(got: Array, want: Array) -> Deviation:
    """Return how far each element is off."""
    difference = np.subtract(got, want, dtype=np.result_type(got, want, np.float32))
    if np.iscomplexobj(difference):
        return np.abs(difference)
    return np.abs(difference, out=difference)


def _ratio(value: float, limit: float) -> float:
    """Return value / limit. No deviation is within any limit, and NaN is within none."""
    if value == 0.0:
        return 0.0
    if limit > 0.0 and np.isfinite(value):
        return value / limit
    return np.inf


def explain(got: Array, want: Array, tolerance: Tolerance, locate: Callable[[tuple[int, ...]], str]) -> str:
    """Describe how many elements are wrong, the first and the worst of them, and their common features.

    locate: from an index to its place.
    """
    right, deviation = _Magnitude.of_array(want), _deviation(got, want)
    limit = tolerance.bound(right.largest)
    wrong = ~(deviation <= limit)
    if not wrong.any():
        off = _Magnitude.of_array(deviation)
        return (
            f"no element is off by more than {limit:.3g}, but on the whole they are: the rms deviation is "
            f"{off.rms / right.rms:.2g} of the rms value, and {tolerance.rms:.2g} is allowed; "
            "single precision throughout stays far below that, half precision does not"
        )
    first = tuple(int(n) for n in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    worst = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(deviation, nan=np.inf))), got.shape))
    count = int(wrong.sum())
    text = (
        f"{count} of {wrong.size} elements off by more than {limit:.3g}; "
        f"first {locate(first)}: got {got[first]:.7g}, want {want[first]:.7g}; "
        f"worst {locate(worst)}: got {got[worst]:.7g}, want {want[worst]:.7g}"
    )
    pattern = next(_patterns(got, want, wrong, count, limit), None)
    if pattern:
        return f"{text}. {pattern}"
    return text


def _patterns(got: Array, want: Array, wrong: NDArray[np.bool_], count: int, limit: float) -> Iterator[str]:
    """Guess the mistake by the pattern of wrong elements, the surest guess first."""
    unwritten = int(np.count_nonzero(~np.isfinite(got)))
    if unwritten:
        yield f"{unwritten} elements are not finite; an output that was never written reads as NaN"
    if count > wrong.size // 2:
        yield from _whole(got, want, limit)
    indices = np.argwhere(wrong)
    if len(indices) > _SAMPLE:
        indices = indices[:: len(indices) // _SAMPLE + 1]
    if count < wrong.size:
        yield from _tail(wrong, count)
        yield from _halo(indices, wrong.shape)
        yield from _stride(indices, wrong.shape)


def _whole(got: Array, want: Array, limit: float) -> Iterator[str]:
    def same(other: Array) -> bool:
        return bool(np.max(np.abs(np.subtract(got, other, dtype=np.result_type(got, np.float32)))) <= limit)

    if got.min() == got.max():
        yield f"Every element is {got.flat[0]:.7g}"
    if same(np.negative(want)):
        yield "Every element has the wrong sign"
    for a, b in combinations(range(want.ndim), 2):
        if want.shape[a] == want.shape[b] and same(np.swapaxes(want, a, b)):
            yield f"It is right with axes {a} and {b} swapped"


def _tail(wrong: NDArray[np.bool_], count: int) -> Iterator[str]:
    start = int(np.argmax(wrong))
    if 2 * start >= wrong.size and count > 0.9 * (wrong.size - start):
        yield f"It looks like a tail: nearly everything from element {start} of {wrong.size} on is wrong"


def _halo(indices: NDArray[np.intp], shape: tuple[int, ...]) -> Iterator[str]:
    """Recognise errors within a few cells of the grid's faces, along the axes long enough to have an inside.

    An error there moves inwards by a cell a step.
    """
    depth = np.full(len(indices), _DEPTH)
    for axis, n in enumerate(shape):
        if n >= 4 * _DEPTH:
            depth = np.minimum(depth, np.minimum(indices[:, axis], n - 1 - indices[:, axis]))
    deepest = int(depth.max())
    if deepest < _DEPTH:
        yield f"It looks like a halo: all of them lie within {deepest + 1} cells of the edge of the grid"


def _stride(indices: NDArray[np.intp], shape: tuple[int, ...]) -> Iterator[str]:
    """Recognise errors at a few residues modulo a power of two along one axis, and at most such places."""
    for axis, n in reversed(list(enumerate(shape))):
        places = np.unique(indices[:, axis])
        found = []
        for period in (p for p in _PERIODS if 2 * p <= n):
            residues = np.unique(places % period)
            if len(residues) <= max(1, period // 8) and 2 * len(places) * period > n * len(residues):
                found.append((len(residues) / period, period, residues))
        if found:
            _, period, residues = min(found, key=lambda f: f[:2])
            those = ", ".join(str(r) for r in residues)
            yield (
                f"It looks like a stride: along axis {axis} all of them lie at {those} modulo {period}, "
                "as the edges of tiles or threadgroups do"
            )
            return
