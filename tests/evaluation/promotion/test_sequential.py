"""The sequential test on drawn numbers: its two error rates, its endings, settings that make no sense."""

import math

import numpy as np
import pytest

from metalsci.evaluation.promotion.sequential import Design, Ending, SequentialResult, compare


def run(design: Design, effect: float, noise: float, seed: int, expected: float | None = None) -> SequentialResult:
    rng = np.random.default_rng(seed)
    return compare(lambda: float(rng.normal(effect, noise)), design, expected or noise)


def share(design: Design, effect: float, noise: float, count: int, expected: float | None = None) -> float:
    endings = [run(design, effect, noise, seed, expected).ending for seed in range(count)]
    return endings.count(Ending.FASTER) / count


@pytest.mark.parametrize("expected", [0.02, 0.04, 0.08])
def test_equal_ones_are_seldom_faster(expected: float) -> None:
    """Whatever noise was expected. 600 tests at 5 %: more than 48 happen once in a thousand times."""
    assert share(Design(alpha=0.05), 0.0, 0.04, 600, expected) <= 48 / 600


@pytest.mark.parametrize("expected", [0.02, 0.04])
def test_a_gain_is_found(expected: float) -> None:
    assert share(Design(alpha=0.0004), math.log(1.05), 0.04, 100, expected) >= 0.9


def test_a_plainly_slower_one_takes_few_pairs() -> None:
    for seed in range(20):
        finding = run(Design(alpha=0.0004), math.log(0.8), 0.05, seed)
        assert finding.ending is Ending.NOT_FASTER
        assert finding.pairs <= 8


def test_a_cap_ends_undecided() -> None:
    """At 30 % noise forty pairs can neither find nor exclude 5 %."""
    design = Design(alpha=0.0004, most_pairs=40)
    findings = [run(design, math.log(1.04), 0.3, seed) for seed in range(40)]
    assert max(f.pairs for f in findings) == 40
    assert any(f.ending is Ending.UNDECIDED for f in findings)


def test_no_noise_at_all() -> None:
    assert compare(lambda: 0.0, Design(), 0.0).ending is Ending.NOT_FASTER
    assert compare(lambda: 0.1, Design(), 0.0).ending is Ending.FASTER


def test_more_noise_than_expected_takes_more_pairs() -> None:
    design = Design(alpha=0.0004)
    finding = run(design, math.log(1.05), 0.1, 3, expected=0.02)
    assert finding.pairs > design.looks(0.02)[-1]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"gain": 0.0}, "promotion.gain=0.0"),
        ({"alpha": 0.0}, "promotion.alpha=0.0"),
        ({"alpha": 0.7}, "promotion.alpha=0.7"),
        ({"power": 1.0}, "promotion.power=1.0"),
        ({"power": 0.001}, "promotion.power=0.001"),
        ({"most_pairs": 0}, "promotion.most_pairs=0"),
    ],
)
def test_what_makes_no_sense(settings: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Design(**settings)  # type: ignore[arg-type]
