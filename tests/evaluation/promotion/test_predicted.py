"""Promotion by predictions: what is undecided is not promoted by them, and what is predicted slower not at all."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from metalsci.devices.virtual.forecast import Forecast, PredictedSize
from metalsci.evaluation.promotion.predicted import NotPredictedSlower, PredictedFaster
from metalsci.evaluation.promotion.protocol import Candidate, Decision, Promotion
from metalsci.evaluation.results import Evaluation, Outcome


@dataclass(frozen=True)
class _Candidate:
    evaluation: Evaluation
    source: str | None = "kernel"


class _Always:
    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Callable[[str], None]) -> Decision:
        return Decision(True, "measured faster", {"speedup": 2.0})


def _foreseen(*seconds: float, unknown: str = "") -> Forecast:
    sizes = tuple(PredictedSize(str(i), s, s) for i, s in enumerate(seconds))
    return Forecast("M1 Pro", sizes, why="3 % of lanes at work", unknown=unknown)


def _candidate(forecast: Forecast) -> _Candidate:
    return _Candidate(Evaluation(Outcome.SCORED, score=0.5, forecast=forecast))


def _decide(rule: Promotion, one: Forecast, other: Forecast) -> Decision:
    return rule.decide(_candidate(other), _candidate(one), lambda _: None)


@pytest.mark.parametrize(("seconds", "promoted"), [(1.0, True), (1.7, False), (3.0, False)])
def test_only_what_is_predicted_faster_is_promoted(seconds: float, promoted: bool) -> None:
    decision = _decide(PredictedFaster(), _foreseen(seconds), _foreseen(2.0))
    assert decision.promoted is promoted
    assert decision.reason.startswith("predicted ")


def test_the_sizes_count_alike() -> None:
    assert _decide(PredictedFaster(), _foreseen(1.0, 1.0), _foreseen(1.0, 1.5)).promoted
    assert not _decide(PredictedFaster(), _foreseen(1.0, 1.0), _foreseen(1.5, 0.8)).promoted


def _both(seed: Forecast | None) -> NotPredictedSlower:
    return NotPredictedSlower(_Always(), lambda: seed)


def test_what_is_measured_faster_and_predicted_slower_is_not_promoted() -> None:
    decision = _decide(_both(_foreseen(1.0)), _foreseen(5.0), _foreseen(1.0))
    assert not decision.promoted
    assert decision.reason == "predicted 0.20× the speed of the incumbent on M1 Pro (3 % of lanes at work)"


def test_what_is_undecided_is_measured() -> None:
    decision = _decide(_both(_foreseen(1.0)), _foreseen(1.1), _foreseen(1.0))
    assert decision.promoted and decision.figures["predicted speedup"] == pytest.approx(1 / 1.1)


def test_small_steps_down_do_not_add_up() -> None:
    decision = _decide(_both(_foreseen(1.0)), _foreseen(1.3), _foreseen(1.15))
    assert not decision.promoted and "the seed kernel" in decision.reason


def test_a_kernel_does_not_win_by_being_impossible_to_count() -> None:
    unknown = _foreseen(unknown="an access leads to memory of no argument")
    assert not _decide(_both(_foreseen(1.0)), unknown, _foreseen(1.0)).promoted
    assert _decide(_both(None), unknown, unknown).promoted
