"""The one number of a run that a sweeper, such as Optuna's, makes larger."""

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Metric(Enum):
    """self_speedup and best_score: on the sizes that the search scores. heldout_speedup and phi: at the gate."""

    self_speedup = "self_speedup"
    best_score = "best_score"
    heldout_speedup = "heldout_speedup"
    phi = "phi"


def objective(summary: Mapping[str, Any], metric: Metric) -> float:
    """Read the metric from what summary.json holds; 0 for a winner that was wrong at the gate."""
    place = summary if metric in (Metric.self_speedup, Metric.best_score) else summary["gate"]
    return float(place[metric.value] or 0.0)
