"""Comparison of results with the reference: how far off, and what the wrong elements have in common.

A model reads these sentences.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from metalsci.devices.program import Array

Deviation = NDArray[np.floating]

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
        return self.absolute + self.relative * float(np.max(np.abs(want), initial=0.0))


def judge(got: Array, want: Array, tolerance: Tolerance) -> tuple[float, Deviation]:
    """Return the error in units of the tolerance, and the deviation of every element.

    NaN never passes: the error is then infinite.
    """
    difference = np.subtract(got, want, dtype=np.result_type(got, want, np.float32))
    if np.iscomplexobj(difference):
        deviation = np.abs(difference)
    else:
        deviation = np.abs(difference, out=difference)
    error = _ratio(float(np.max(deviation, initial=0.0)), tolerance.limit(want))
    if tolerance.rms is not None and error <= 1.0:
        error = max(error, _ratio(_rms(deviation), tolerance.rms * _rms(want)))
    return error, deviation


def _ratio(value: float, limit: float) -> float:
    """Return value / limit. No deviation is within any limit, and NaN is within none."""
    if value == 0.0:
        return 0.0
    if limit > 0.0 and np.isfinite(value):
        return value / limit
    return np.inf


def _rms(x: Array) -> float:
    flat = x.reshape(-1)
    return float(np.sqrt(np.dot(flat, flat) / max(flat.size, 1)))


def explain(
    got: Array, want: Array, deviation: Deviation, tolerance: Tolerance, locate: Callable[[tuple[int, ...]], str]
) -> str:
    """Describe how many elements are wrong, the first and the worst of them, and their common features.

    locate: from an index to its place.
    """
    limit = tolerance.limit(want)
    wrong = ~(deviation <= limit)
    if not wrong.any():
        return (
            f"no element is off by more than {limit:.3g}, but on the whole they are: the rms deviation is "
            f"{_rms(deviation) / _rms(want):.2g} of the rms value, and {tolerance.rms:.2g} is allowed; "
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
