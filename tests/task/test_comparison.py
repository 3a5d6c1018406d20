"""The text of a failure: every kind of mistake, made to a field, in words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from metalsci.task.comparison import _PART, Tolerance, explain, judge

WANT = np.random.default_rng(0).uniform(-1, 1, (48, 64))
TOLERANCE = Tolerance(absolute=1e-4, relative=1e-5, rms=1e-4)

Change = Callable[[NDArray[Any]], object]  # in place


def spoilt(change: Change) -> NDArray[np.float32]:
    got = WANT.astype(np.float32)
    change(got)
    return got


def sentence(got: NDArray[Any], want: NDArray[Any] = WANT) -> str:
    assert judge(got, want, TOLERANCE) > 1
    return explain(got, want, TOLERANCE, lambda index: f"<{index}>")


def test_what_is_right_in_single_precision_passes() -> None:
    assert judge(WANT.astype(np.float32), WANT, TOLERANCE) < 0.01


def test_half_precision_fails_where_the_bound_on_elements_does_not_see_it() -> None:
    lenient = Tolerance(absolute=1e-3, relative=1e-3, rms=1e-4)
    got = WANT.astype(np.float16).astype(np.float32)
    assert judge(got, WANT, Tolerance(1e-3, 1e-3)) < 1
    assert judge(got, WANT, lenient) > 1
    assert "half precision" in explain(got, WANT, lenient, str)


def test_first_and_worst_element_and_how_many_are_named() -> None:
    def change(u: NDArray[Any]) -> None:
        u[3, 5] += 0.25
        u[40, 1] -= 0.75

    text = sentence(spoilt(change))
    assert "2 of 3072" in text
    assert "first <(3, 5)>" in text
    assert "worst <(40, 1)>" in text
    assert f"want {WANT[40, 1]:.7g}" in text


def test_nothing_wrong_is_no_error_with_no_tolerance() -> None:
    spins = np.ones((4, 4), np.int8)
    assert judge(spins, spins, Tolerance()) == 0
    assert judge(-spins, spins, Tolerance()) == np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(value: float) -> None:
    def change(u: NDArray[Any]) -> None:
        u[7, 7] = value

    assert judge(spoilt(change), WANT, Tolerance(absolute=1e9, relative=1e9)) == np.inf
    assert "1 elements are not finite" in sentence(spoilt(change))


def edge(u: NDArray[Any]) -> None:
    u[:, 0] = u[:, -1] = 9.0


def tail(u: NDArray[Any]) -> None:
    u.reshape(-1)[3000:] = 9.0


def tile_edges(u: NDArray[Any]) -> None:
    u[:, ::16] = 9.0


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (edge, "halo: all of them lie within 1 cells"),
        (tail, "tail: nearly everything from element 3000 of 3072"),
        (tile_edges, "stride: along axis 1 all of them lie at 0 modulo 16"),
        (lambda u: u.fill(0.0), "Every element is 0"),
        (lambda u: np.negative(u, out=u), "wrong sign"),
    ],
)
def test_the_pattern_of_a_mistake_is_named(change: Change, pattern: str) -> None:
    assert pattern in sentence(spoilt(change))


def test_swapped_axes_are_named() -> None:
    square = WANT[:, :48]
    assert "right with axes 0 and 1 swapped" in sentence(square.T.astype(np.float32), square)


def test_scattered_mistakes_have_no_pattern() -> None:
    def change(u: NDArray[Any]) -> None:
        flat = np.random.default_rng(1).permutation(u.size)[:200]
        u.reshape(-1)[flat] = 9.0

    assert "looks like" not in sentence(spoilt(change))


def test_an_array_of_many_parts_is_judged_as_a_whole() -> None:
    want = np.random.default_rng(1).uniform(-1, 1, 3 * _PART + 5).astype(np.float32)
    got = want.copy()
    got[-1] += np.float32(0.5)
    assert judge(got, want, Tolerance(absolute=1.0)) == pytest.approx(0.5, rel=1e-6)
    deviation, size = got.astype(float) - want, np.sqrt(np.mean(want.astype(float) ** 2))
    rms = np.sqrt(np.mean(deviation**2)) / size
    assert judge(got, want, Tolerance(absolute=1.0, rms=1e-3)) == pytest.approx(rms / 1e-3, rel=1e-6)
    for at in (0, _PART - 1, _PART, want.size - 1):
        got = want.copy()
        got[at] = np.nan
        assert judge(got, want, Tolerance(absolute=1.0)) == np.inf


def test_parts_of_a_larger_array_are_compared_in_the_same_order() -> None:
    want = np.arange(4 * _PART, dtype=np.float32).reshape(-1, 4)
    assert judge(want[:, :3], want[:, :3].copy(), Tolerance()) == 0
    assert judge(want[:, 1:], want[:, :3], Tolerance(absolute=1.0)) == pytest.approx(1.0)
