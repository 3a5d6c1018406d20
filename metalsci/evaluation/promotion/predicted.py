"""Promotion by what is predicted of a GPU that is not there: instead of measured times, or on top of them.

Predictions have no noise, so nothing is run again; but those within 1.2 times are no better than a coin, and then no
challenger is promoted by them.
"""

from collections.abc import Callable
from dataclasses import replace

from metalsci.devices.virtual.forecast import Forecast, compare_forecasts
from metalsci.devices.virtual.prediction import PredictedComparison, PredictedOrder
from metalsci.evaluation.promotion.protocol import Candidate, Decision, Promotion

Progress = Callable[[str], None]


class PredictedFaster:
    """Rule by predictions alone: faster than the incumbent, and not undecided."""

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Decision:
        found = _compared(challenger.evaluation.forecast, incumbent.evaluation.forecast)
        if isinstance(found, str):
            return Decision(False, found)
        return Decision(
            found.order is PredictedOrder.FASTER,
            f"predicted {found.order}: {found.speedup:.2f}× the incumbent's speed"
            + _doubt(found, "one needs to be 1.2× or more, by two models"),
            _figures(found),
        )


class NotPredictedSlower:
    """Rule on top of another one: nothing is promoted that is predicted slower than the incumbent or the seed kernel.

    A kernel must not win by what only this machine's processor likes.

    seed: of the seed kernel, so that many small steps down do not add up.
    """

    def __init__(self, rule: Promotion, seed: Callable[[], Forecast | None]) -> None:
        self._rule = rule
        self._seed = seed

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Decision:
        against = {"the incumbent": incumbent.evaluation.forecast, "the seed kernel": self._seed()}
        found = {name: _compared(challenger.evaluation.forecast, other) for name, other in against.items()}
        for name, told in found.items():
            if isinstance(told, str):
                if against[name] is not None and against[name].sizes:  # type: ignore[union-attr]
                    return Decision(False, told)
            elif told.order is PredictedOrder.SLOWER:
                reason = f"predicted {told.speedup:.2f}× the speed of {name} on {_gpu(challenger)}"
                why = challenger.evaluation.forecast.why if challenger.evaluation.forecast else ""
                return Decision(False, f"{reason} ({why})", _figures(told))
        decision = self._rule.decide(incumbent, challenger, progress)
        told = found["the incumbent"]
        if isinstance(told, str):
            return decision
        return replace(decision, figures={**decision.figures, **_figures(told)})


def _gpu(candidate: Candidate) -> str:
    if candidate.evaluation.forecast:
        return candidate.evaluation.forecast.gpu
    return "a GPU"


def _compared(one: Forecast | None, other: Forecast | None) -> PredictedComparison | str:
    """Compare two forecasts, or say why that cannot be done."""
    if one is None or other is None:
        return "nothing was predicted"
    if one.unknown or other.unknown:
        return f"nothing can be predicted: {one.unknown or other.unknown}"
    return compare_forecasts(one, other) or "predicted at other sizes"


def _doubt(found: PredictedComparison, sentence: str) -> str:
    if found.order is PredictedOrder.UNDECIDED:
        return f"; {sentence}"
    return ""


def _figures(found: PredictedComparison) -> dict[str, float]:
    return {"predicted speedup": found.speedup, "predicted speedup without waits": found.throughput_speedup}
