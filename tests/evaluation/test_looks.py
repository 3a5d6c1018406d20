"""Looks at repeated runs: of large outputs some blocks are compared, and no more than that is kept."""

import numpy as np
import pytest

from metalsci.devices.program import Array
from metalsci.evaluation.safeguards import ALL
from metalsci.evaluation.vigil import Vigil

SMALL, MIDDLE, HUGE = 1000, 8 << 20, 64 << 20  # bytes: compared whole; kept whole; of neither


class Outputs:
    """A stage that has outputs and no damage."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def outputs(self) -> tuple[Array, ...]:
        return (self.array,)

    def damage(self) -> str:
        return ""


def looked_at(size: int, changed: slice, turns: int = 60) -> Vigil:
    """Return the vigil over runs that leave other bytes than the verified one."""
    array = np.random.default_rng(0).integers(0, 255, size, np.uint8)
    vigil = Vigil(ALL, np.random.default_rng(1), repeatable=True)
    vigil.remember([array.copy()])
    array[changed] += 1
    for _ in range(turns):
        vigil.after(Outputs(array), seconds=0.0)  # type: ignore[arg-type]
    return vigil


@pytest.mark.parametrize("size", [SMALL, MIDDLE, HUGE])
def test_a_run_that_leaves_out_a_twentieth_is_found_at_any_size(size: int) -> None:
    assert looked_at(size, slice(size // 2, size // 2 + size // 20)).complaint is not None
    assert looked_at(size, slice(0, 0)).complaint is None


@pytest.mark.parametrize(("seconds", "runs", "wrong"), [(0.005, 5, 3), (0.05, 3, 2)])
def test_wrong_runs_that_move_the_median_seldom_come_through(seconds: float, runs: int, wrong: int) -> None:
    """The last run is always compared, so the wrong ones are before it."""
    assert wrong < runs
    unseen = 0
    for seed in range(1000):
        array = np.zeros(SMALL, np.uint8)
        vigil = Vigil(ALL, np.random.default_rng(seed), repeatable=True)
        vigil.remember([array.copy()])
        array += 1
        for _ in range(wrong):
            vigil.after(Outputs(array), seconds)  # type: ignore[arg-type]
        unseen += vigil.complaint is None
    assert unseen < 110


def test_one_byte_of_a_small_output_is_enough() -> None:
    assert looked_at(SMALL, slice(17, 18)).complaint is not None


@pytest.mark.parametrize(("size", "known"), [(SMALL, True), (MIDDLE, True), (HUGE, False)])
def test_the_same_bits_are_told_where_all_of_them_are_known(size: int, known: bool) -> None:
    array = np.zeros(size, np.uint8)
    vigil = Vigil(ALL, np.random.default_rng(1), repeatable=True)
    assert not vigil.unchanged([array])
    vigil.remember([array])
    assert vigil.unchanged([array]) is known
    array[-1] = 1
    assert not vigil.unchanged([array])


def test_runs_that_need_not_repeat_have_no_bits_to_keep() -> None:
    array = np.zeros(SMALL, np.uint8)
    vigil = Vigil(ALL, np.random.default_rng(1), repeatable=False)
    vigil.remember([array])
    assert not vigil.unchanged([array])
