"""Bottlenecks of a kernel on a GPU decide which rewrites are drawn more often."""

from metalsci.optimizer.bottlenecks import _HELPS, weighted
from metalsci.optimizer.catalogue import default_catalogue


def test_what_helps_against_the_bottleneck_is_drawn_more_often() -> None:
    usual = default_catalogue()
    heavier = weighted(usual, {"share/memory wait": 0.8, "share/issue": 0.1, "lanes": 1.0})
    assert heavier["loop unrolling"].weight == usual["loop unrolling"].weight * (1 + 3 * 0.8)
    assert heavier["cheaper calls"].weight == usual["cheaper calls"].weight * (1 + 3 * 0.1)
    assert heavier["no guard"].weight == usual["no guard"].weight


def test_without_figures_every_weight_is_the_usual_one() -> None:
    assert weighted(default_catalogue(), {}) == default_catalogue()


def test_every_rewrite_that_helps_is_in_the_catalogue() -> None:
    assert {name for names in _HELPS.values() for name in names} <= set(default_catalogue())
