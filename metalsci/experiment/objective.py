"""The one number of a run that a sweeper, such as Optuna's, maximises."""

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Metric(Enum):
    """Number to maximise.

    self_speedup and best_score: on the sizes that the search scores. heldout_speedup, phi: at the gate.
    """

    self_speedup = "self_speedup"
    best_score = "best_score"
    heldout_speedup = "heldout_speedup"
    phi = "phi"


def objective(summary: Mapping[str, Any], metric: Metric) -> float:
    """Read the metric from the fields of summary.json; 0 for a winner that was wrong at the gate."""
    if metric in (Metric.self_speedup, Metric.best_score):
        place = summary
    else:
        place = summary["gate"]
    return float(place[metric.value] or 0.0)
