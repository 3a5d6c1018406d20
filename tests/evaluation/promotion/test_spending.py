"""Boundaries of sequential looks against published ones."""

from statistics import NormalDist

import pytest

from metalsci.evaluation.promotion.spending import Look, level, obrien_fleming

# Lan and DeMets' boundaries for O'Brien and Fleming's function, one-sided 0.025, five equal steps, as tabulated in
# Jennison and Turnbull, Group Sequential Methods (2000), and printed by `gsDesign` and `ldbounds`.
FIVE_LOOKS = (4.877, 3.357, 2.680, 2.290, 2.031)


@pytest.mark.parametrize("count", range(1, 6))
def test_published_boundaries(count: int) -> None:
    looks = [Look(20 * (i + 1), (i + 1) / 5) for i in range(count)]
    z = NormalDist().inv_cdf(1 - level(0.025, looks))
    assert z == pytest.approx(FIVE_LOOKS[count - 1], abs=2e-3)


def test_one_look_at_all_data_has_the_whole_level() -> None:
    assert level(0.0004, [Look(37, 1.0)]) == pytest.approx(0.0004, rel=1e-3)


def test_a_look_that_may_spend_nothing_more_is_significant_for_nobody() -> None:
    """The plan grew after the first look, so that the second one stands at an earlier fraction."""
    assert level(0.01, [Look(50, 0.9), Look(60, 0.3)]) < 1e-6


def test_all_is_spent_at_the_end() -> None:
    assert obrien_fleming(0.01, 1.0) == 0.01
    assert obrien_fleming(0.01, 0.2) < 1e-6
