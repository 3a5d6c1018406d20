"""Geometric means of speedups with their intervals."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.evaluation.promotion.students_t import quantile


@dataclass(frozen=True)
class Mean:
    """A geometric mean. low, high: the 95 % interval of the mean; NaN for fewer than two values."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def told(self) -> tuple[str, str]:
        """Return the mean and its interval as a table shows them."""
        if math.isnan(self.value):
            return "", ""
        return f"{self.value:.2f}×", self.interval

    @property
    def interval(self) -> str:
        if math.isnan(self.low):
            return ""
        return f"{self.low:.2f}–{self.high:.2f}"


def geometric_mean(values: Sequence[float]) -> Mean:
    """Compute the mean of ratios, with Student's interval over their logarithms.

    Values that are not positive are left out.
    """
    logs = [math.log(value) for value in values if value > 0]
    if not logs:
        return Mean(math.nan)
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Mean(math.exp(mean))
    half = quantile(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Mean(math.exp(mean), math.exp(mean - half), math.exp(mean + half))
