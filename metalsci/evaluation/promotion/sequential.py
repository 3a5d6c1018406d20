"""A group-sequential paired t-test: as few pairs as it takes to decide about a challenger.

A pair gives the log of a ratio of two times, above zero if the challenger is faster. After some pairs the test looks:
it ends with "faster" at a level that the spending function allows, and with "not faster" if a gain worth having has
become unlikely. Stopping for that costs power only, never a false alarm.

Next to other work a few pairs are far off (a kurtosis of 10 to 100 was measured), and one of them hides a gain for
hundreds of pairs. So the test sees each pair within a bound on either side of zero. The bound is set before the first
pair, and two equal kernels are as often ahead as behind, so that the bound cannot make one of them look faster.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from metalsci.evaluation.promotion.spending import Look, level
from metalsci.evaluation.promotion.students_t import quantile, upper_tail

_NORMAL = NormalDist()
_LOOKS = (0.5, 0.8, 1.1, 1.5)  # of the pairs that a test with one look would take
_FEWEST = 4  # pairs
_FUTILE = 0.25  # of the gain worth finding: who has less at a look is not likely to have it
_EARLY = 0.3  # of the plan: before it a mean says little
_HOPELESS = 0.997  # confidence that there is less than that gain
_NOISIER = 1.2  # than was planned for: from there on a look plans again
_INTERVAL = 0.95
_DEVIATIONS = 1.4826  # standard deviations of a normal distribution to its median deviation
_WITHIN = 3.0  # standard deviations beyond the gain worth finding, where the bound lies


class Ending(StrEnum):
    FASTER = "faster"
    NOT_FASTER = "not faster"
    UNDECIDED = "undecided"
    """All pairs are used up, and both a gain worth having and none are still possible."""


@dataclass(frozen=True)
class Design:
    """Design of a test. Raises ValueError for settings that make no sense.

    gain: the speedup that is to be found, minus one. alpha: chance of promoting an equal one.
    power: of finding the gain. most_pairs: cap.
    least: what a challenger has to be faster by. Two equal programs differ by up to a hundredth for as long as they are
        loaded, by where they and their data lie, and more pairs do not help against that.
    """

    gain: float = 0.05
    alpha: float = 0.01
    power: float = 0.9
    most_pairs: int = 400
    least: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.gain < 10:
            raise ValueError(f"promotion.gain={self.gain}: give a gain worth finding, such as 0.05 for 5 %")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"promotion.alpha={self.alpha}: give a risk between 0 and 0.5, such as 0.01 for 1 %")
        if not self.alpha < self.power < 1:
            raise ValueError(f"promotion.power={self.power}: give a chance between alpha and 1, such as 0.9")
        if not 0 <= self.least < self.gain:
            raise ValueError(f"promotion.least={self.least}: give less than promotion.gain={self.gain}, and at least 0")
        if self.most_pairs < _FEWEST:
            raise ValueError(f"promotion.most_pairs={self.most_pairs}: a paired test takes at least {_FEWEST} pairs")

    @property
    def effect(self) -> float:
        return math.log1p(self.gain)

    @property
    def margin(self) -> float:
        """The log of the speedup that no challenger is promoted for."""
        return math.log1p(self.least)

    def pairs(self, noise: float) -> int:
        """Return the pairs of a test with a single look, if a pair has this standard deviation (Guenther 1981)."""
        z = _NORMAL.inv_cdf(1 - self.alpha)
        both = z + _NORMAL.inv_cdf(self.power)
        return math.ceil((both * noise / (self.effect - self.margin)) ** 2 + z * z / 2)

    def looks(self, noise: float) -> tuple[int, ...]:
        """Return the numbers of pairs after which the test looks; the last one is the end of the plan."""
        last = min(max(math.ceil(_LOOKS[-1] * self.pairs(noise)), _FEWEST), self.most_pairs)
        looks = (max(_FEWEST, math.ceil(last * share / _LOOKS[-1])) for share in _LOOKS)
        return tuple(sorted(set(looks)))


@dataclass(frozen=True)
class SequentialResult:
    """Result of a test.

    effect: the mean log ratio. low, high: its 95 % interval. noise: the standard deviation of a pair within the bound.
    looks: how often the level was compared. level: that of the last look.
    """

    ending: Ending
    pairs: int
    looks: int
    effect: float
    low: float
    high: float
    noise: float
    level: float


def compare(draw: Callable[[], float], design: Design, noise: float) -> SequentialResult:
    """Draw pairs until the test ends.

    `noise` is the expected spread of a pair; the plan depends on it, the level does not.
    """
    drawn: list[float] = []
    values: list[float] = []  # within the bound
    bound = design.effect + _WITHIN * noise
    plan = design.looks(noise)
    looked: list[Look] = []
    allowed = 0.0

    def ended(ending: Ending) -> SequentialResult:
        return _finding(ending, drawn, bound, statistics.stdev(values), len(looked), allowed)

    while True:
        drawn.append(draw())
        values.append(min(max(drawn[-1], -bound), bound))
        count = len(values)
        if count < _FEWEST:
            continue
        if count in plan:
            looked.append(Look(count, count / plan[-1]))
            allowed = level(design.alpha, looked)
            if _p_value(values, design.margin) <= allowed:
                return ended(Ending.FASTER)
            if count >= plan[-1]:
                return ended(_without_alarm(values, design))
            plan = _replanned(plan, count, design, statistics.stdev(values), noise)
            if count >= _EARLY * plan[-1] and statistics.fmean(values) < _FUTILE * design.effect:
                return ended(Ending.NOT_FASTER)
        elif _is_power_of_two(count) and _bound(values, _HOPELESS) < design.effect:
            return ended(Ending.NOT_FASTER)


def _replanned(plan: tuple[int, ...], count: int, design: Design, seen: float, planned: float) -> tuple[int, ...]:
    """Plan more pairs if they vary by more than expected. The plan follows their spread, never their mean."""
    if seen <= _NOISIER * planned:
        return plan
    later = tuple(look for look in design.looks(seen) if look > count)
    if later and later[-1] > plan[-1]:
        return (*(look for look in plan if look <= count), *later)
    return plan


def _without_alarm(values: list[float], design: Design) -> Ending:
    if _bound(values, _INTERVAL) < design.effect:
        return Ending.NOT_FASTER
    return Ending.UNDECIDED


def _p_value(values: list[float], margin: float) -> float:
    spread = statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values) - margin
    if spread == 0:
        if mean <= 0:
            return 1.0
        return 0.0
    return upper_tail(mean / spread, len(values) - 1)


def _bound(values: list[float], confidence: float) -> float:
    """Return the value below which the mean lies with that confidence."""
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values) + quantile(confidence, len(values) - 1) * spread


def robust_noise(values: Sequence[float], design: Design) -> float:
    """Compute the standard deviation of equal kernels' pairs within the bound that a test would set.

    The few that are far off count for no more than that.
    """
    spread = _DEVIATIONS * statistics.median(abs(value) for value in values)
    bound = design.effect + _WITHIN * spread
    return statistics.stdev(min(max(value, -bound), bound) for value in values)


def _finding(
    ending: Ending, drawn: list[float], bound: float, noise: float, looks: int, allowed: float
) -> SequentialResult:
    """Sum up all pairs, those that are far from the middle one taken within the bound around it."""
    middle = statistics.median(drawn)
    values = [min(max(value, middle - bound), middle + bound) for value in drawn]
    mean = statistics.fmean(values)
    reach = _bound(values, (1 + _INTERVAL) / 2) - mean
    return SequentialResult(ending, len(values), looks, mean, mean - reach, mean + reach, noise, allowed)


def _is_power_of_two(count: int) -> bool:
    return count & (count - 1) == 0
