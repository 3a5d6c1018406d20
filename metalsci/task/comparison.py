"""Comparison of results with the reference: how far off, and what the wrong elements have in common.

A model reads these sentences.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metalsci.devices.program import Array
from metalsci.files.disk_arrays import parts

Deviation = NDArray[np.floating]

_PART = 1 << 13  # elements, which stay in a processor's cache, and which BLAS multiplies without threads; an array of
# hundreds of megabytes takes three times as long as a whole
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


class _Magnitude:
    """The largest of many magnitudes, NaN if one is, and their root mean square."""

    def __init__(self) -> None:
        self.largest = 0.0
        self._squares = 0.0
        self._count = 0

    @property
    def rms(self) -> float:
        return math.sqrt(self._squares / max(self._count, 1))

    def add(self, part: Deviation) -> None:
        self.largest = float(np.maximum(self.largest, np.max(part, initial=0)))
        wide = part.astype(np.float64, copy=False)
        self._squares += float(np.dot(wide, wide))
        self._count += part.size

    @classmethod
    def of_array(cls, array: Array) -> Self:
        magnitude = cls()
        for part in parts(array, _PART):
            magnitude.add(np.abs(part))
        return magnitude


def judge(got: Array, want: Array, tolerance: Tolerance) -> float:
    """Return the error in units of the tolerance. NaN never passes: the error is then infinite."""
    off, right = _Magnitude(), _Magnitude()
    for g, w in zip(parts(got, _PART), parts(want, _PART), strict=True):
        off.add(_deviation(g, w))
        right.add(np.abs(w))
    error = _ratio(off.largest, tolerance.bound(right.largest))
    if tolerance.rms is not None and error <= 1.0:
        error = max(error, _ratio(off.rms, tolerance.rms * right.rms))
    return error


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
    limit = tolerance.limit(want)
    wrong, place, off = _compared(got, want, limit)
    if not wrong.any():
        return (
            f"no element is off by more than {limit:.3g}, but on the whole they are: the rms deviation is "
            f"{off.rms / _Magnitude.of_array(want).rms:.2g} of the rms value, and {tolerance.rms:.2g} is allowed; "
            "single precision throughout stays far below that, half precision does not"
        )
    first, worst = (_index(at, wrong.shape) for at in (int(np.argmax(wrong)), place))
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


def _compared(got: Array, want: Array, limit: float) -> tuple[NDArray[np.bool_], int, _Magnitude]:
    """Return which elements are wrong, the place of the worst one, and how far off they are."""
    wrong, off = np.empty(want.shape, np.bool_), _Magnitude()
    largest, place, start = -1.0, 0, 0
    for g, w, into in zip(parts(got, _PART), parts(want, _PART), parts(wrong, _PART), strict=True):
        deviation = _deviation(g, w)
        off.add(deviation)
        into[:] = ~(deviation <= limit)
        finite = np.nan_to_num(deviation, nan=np.inf)
        at = int(np.argmax(finite))
        if finite[at] > largest:
            largest, place = float(finite[at]), start + at
        start += g.size
    return wrong, place, off


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(place, shape))


def _sample(wrong: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Return the indices of wrong elements, at equal distances if there are many."""
    step, seen, start = count // _SAMPLE + 1, 0, 0
    found = []
    for part in parts(wrong, _PART):
        places = np.flatnonzero(part)
        found.append(start + places[-seen % step :: step])
        seen += places.size
        start += part.size
    return np.stack(np.unravel_index(np.concatenate(found), wrong.shape), axis=1)


def _patterns(got: Array, want: Array, wrong: NDArray[np.bool_], count: int, limit: float) -> Iterator[str]:
    """Guess the mistake by the pattern of wrong elements, the surest guess first."""
    unwritten = sum(int(np.count_nonzero(~np.isfinite(part))) for part in parts(got, _PART))
    if unwritten:
        yield f"{unwritten} elements are not finite; an output that was never written reads as NaN"
    if count > wrong.size // 2:
        yield from _whole(got, want, limit)
    indices = _sample(wrong, count)
    if count < wrong.size:
        yield from _tail(wrong, count)
        yield from _halo(indices, wrong.shape)
        yield from _stride(indices, wrong.shape)


def _whole(got: Array, want: Array, limit: float) -> Iterator[str]:
    rows = max(1, _PART * len(got) // max(1, got.size)) if got.ndim else 1

    def same(other: Array, turned: Callable[[Array], Array] = lambda part: part) -> bool:
        pairs = ((got[at : at + rows], turned(other[at : at + rows])) for at in range(0, len(got), rows))
        kind = np.result_type(got, np.float32)
        return all(np.max(np.abs(np.subtract(g, o, dtype=kind)), initial=0) <= limit for g, o in pairs)

    if got.min() == got.max():
        yield f"Every element is {got.flat[0]:.7g}"
    if got.ndim and same(want, np.negative):
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
