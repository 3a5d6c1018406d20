"""Axes: from figures to places on a chart, with the ticks that a reader expects."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)
_MOST_TICKS = 6
_LOG_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))  # of a decade, few to many
_FEWEST_TICKS = 3


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; `ticks` are its labelled figures. label: what it measures, with its unit."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Place a figure: 0 at the low end, 1 at the high end; figures outside stand at the end."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(max(value, self.low))
        if high <= low:
            return 0.5
        return min(1.0, max(0.0, (at - low) / (high - low)))


def linear(label: str, values: Iterable[float], *, zero: bool = False, whole: bool = False) -> Scale:
    """Make a scale that holds all finite values; `zero`: and zero. whole: ticks are whole numbers."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if zero:
        low = min(low, 0.0)
    if high == low:
        high, low = high + (abs(high) / 2 or 1.0), (low if zero else low - (abs(low) / 2 or 1.0))
    step = _step((high - low) / (_MOST_TICKS - 1))
    if whole:
        step = max(1.0, round(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple((k * step, figure(k * step)) for k in range(first, last + 1))
    return Scale(label, first * step, last * step, ticks)


def logarithmic(label: str, values: Iterable[float]) -> Scale:
    """Make a scale that holds all positive finite values, with room for half a mark at both ends."""
    known = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    room = max(1.05, (max(known) / min(known)) ** 0.025)
    low, high = min(known) / room, max(known) * room
    if high / low < 1.5:
        low, high = low / 1.2, high * 1.2
    ticks: list[float] = []
    for steps in _LOG_STEPS:
        ticks = [at for at in _decades(low, high, steps) if low <= at <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    if len(ticks) < _FEWEST_TICKS:
        ticks = [at for at, _ in linear("", [low, high]).ticks if low <= at <= high]
    while len(ticks) > _MOST_TICKS:
        ticks = ticks[::2]
    return Scale(label, low, high, tuple((at, figure(at)) for at in ticks), logarithmic=True)


def named(label: str, names: Sequence[str]) -> Scale:
    """Make a scale of names, at 0, 1, 2 and so on."""
    return Scale(label, -0.5, max(0, len(names) - 1) + 0.5, tuple((float(i), name) for i, name in enumerate(names)))


def figure(value: float) -> str:
    """Write a number as a tick or a cell shows it: three digits, no exponent where none is needed."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.3g}"
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def times(value: float | None) -> str:
    """Write a speedup as the benchmark prints it: 0.23×, 2.95×, 10.6×."""
    if value is None or not math.isfinite(value):
        return "–"
    if value >= 10:
        return f"{value:.1f}×"
    return f"{value:.2f}×"


def counted(count: int, noun: str) -> str:
    """Write `one run` or `3 runs`."""
    if count != 1:
        return f"{count} {noun}s"
    return f"one {noun}"


def _step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(step * size for step in _STEPS if step * size >= rough * (1 - 1e-9))


def _decades(low: float, high: float, steps: Sequence[float]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [step * 10.0**power for power in range(first, last + 1) for step in steps]
