"""Student's t against arbitrary precision."""

import math

import mpmath
import pytest

from metalsci.evaluation.promotion.students_t import quantile, upper_tail


def exact(t: float, freedom: int) -> float:
    with mpmath.workdps(40):
        x = mpmath.mpf(freedom) / (freedom + mpmath.mpf(t) ** 2)
        tail = mpmath.betainc(mpmath.mpf(freedom) / 2, mpmath.mpf("0.5"), 0, x, regularized=True) / 2
        return float(tail if t > 0 else 1 - tail)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 30, 399, 5000])
@pytest.mark.parametrize("t", [-3.0, -0.1, 0.05, 0.7, 1.0, 2.5, 6.0, 12.0, 80.0])
def test_tail(t: float, freedom: int) -> None:
    assert upper_tail(t, freedom) == pytest.approx(exact(t, freedom), rel=1e-9)


def test_no_end_of_the_tail() -> None:
    assert upper_tail(math.inf, 4) == 0.0
    assert upper_tail(-math.inf, 4) == 1.0
    assert upper_tail(0.0, 4) == pytest.approx(0.5)


@pytest.mark.parametrize("freedom", [1, 4, 60])
@pytest.mark.parametrize("probability", [0.6, 0.975, 0.9996])
def test_quantile_undoes_the_tail(probability: float, freedom: int) -> None:
    assert 1 - upper_tail(quantile(probability, freedom), freedom) == pytest.approx(probability, abs=1e-9)
