"""A prediction of a candidate as data: small enough for a journal, enough for a promotion rule, a gate and a prompt.

Everything in it is predicted from counts, never measured.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from metalsci.cpu_metal.profiler.counters import DispatchProfile, LineCounters
from metalsci.devices.virtual.advice import advice, bottleneck, line_remarks
from metalsci.devices.virtual.prediction import PredictedComparison, PredictedOrder, Prediction

_MOST_LINES = 6  # of the source that are told, those of the most cycles first
_WARM = 0.05  # share of all cycles from which a line's remarks are told
_IDLE = 0.75  # of the lanes at work, below which that is told


@dataclass(frozen=True)
class PredictedSize:
    """Seconds of one run at a size.

    throughput: by the second model, for which every wait is hidden. doubts: with each assumed constant halved, and
    doubled.
    """

    label: str
    seconds: float
    throughput: float
    doubts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """Prediction for one candidate on the GPU `gpu`.

    bottleneck: at the largest size, with its share. why: the same in short, for a verdict. advice, lines: sentences
    about the kernels, and about lines of the source by number. figures: of the kernel that takes longest at the largest
    size, see `figures_of`. unknown: why nothing could be counted; then there are no sizes.
    """

    gpu: str
    sizes: tuple[PredictedSize, ...] = ()
    bottleneck: str = ""
    why: str = ""
    advice: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True)
class PredictedGain:
    """Prediction for one kernel against another on the GPU `gpu`.

    speedup: geometric mean over all sizes. sizes: the speedup at each. order: whether that says anything. why: bound of
        the kernel there.
    """

    gpu: str
    speedup: float
    order: PredictedOrder
    sizes: Mapping[str, float]
    why: str

    def __str__(self) -> str:
        doubt = ", undecided" if self.order is PredictedOrder.UNDECIDED else ""
        return f"predicted {self.speedup:.2f}× on {self.gpu}{doubt} ({self.why})"


def predicted_gain(one: Forecast | None, other: Forecast | None) -> PredictedGain | None:
    """Compare `one` with `other`; None if nothing is known of either."""
    compared = compare_forecasts(one, other) if one and other else None
    if one is None or other is None or compared is None:
        return None
    sizes = {a.label: b.seconds / a.seconds for a, b in zip(one.sizes, other.sizes, strict=True)}
    return PredictedGain(one.gpu, compared.speedup, compared.order, sizes, one.why)


def forecast(gpu: str, predictions: Mapping[str, Prediction]) -> Forecast:
    """Sum up a candidate's predictions by the labels of sizes, the largest size last."""
    sizes = tuple(PredictedSize(label, p.seconds, p.throughput, p.doubts) for label, p in predictions.items())
    largest = list(predictions.values())[-1]
    slowest = max(largest.dispatches, key=lambda dispatch: dispatch.seconds)
    return Forecast(
        gpu=gpu,
        sizes=sizes,
        bottleneck=bottleneck(largest),
        why=_why(largest, slowest.profile),
        advice=tuple(f"{slowest.profile.kernel}: {sentence}" for sentence in advice(slowest)),
        lines=tuple(_lines(largest)),
        figures=figures_of(largest),
    )


def figures_of(prediction: Prediction) -> dict[str, float]:
    """Compute figures that tell kernels apart, of the kernel that takes longest.

    lanes: share of lanes at work. occupancy: simdgroups on a core at a time. lines: lines of 128 bytes an access to
    device memory. turns: of threadgroup memory's banks an access. registers: words of 32 bits alive at a time.
    divergence: share of branches at which lanes part. share/NAME: of the seconds that go into a term.
    """
    slowest = max(prediction.dispatches, key=lambda dispatch: dispatch.seconds)
    counters, place = slowest.profile.counters, slowest.time.occupancy
    total = sum(slowest.time.terms.values())
    return {
        "lanes": counters.active / 32,
        "occupancy": float(place.concurrent * place.simdgroups),
        "lines": (counters.loads.lines + counters.stores.lines)
        / max(1.0, counters.loads.issues + counters.stores.issues),
        "turns": counters.turns / max(1.0, counters.near_issues),
        "registers": float(slowest.profile.registers),
        "divergence": counters.divergent / max(1.0, counters.branches),
        **{f"share/{name}": seconds / total for name, seconds in slowest.time.terms.items()},
    }


def compare_forecasts(one: Forecast, other: Forecast) -> PredictedComparison | None:
    """Compare `one` with `other`, in the geometric mean over their sizes; None where either is unknown."""
    if not one.sizes or [s.label for s in one.sizes] != [s.label for s in other.sizes]:
        return None
    pairs = list(zip(one.sizes, other.sizes, strict=True))
    # Forecasts of a journal that another version wrote may have other doubts, or none.
    kinds = min(len(size.doubts) for pair in pairs for size in pair)
    return PredictedComparison(
        _mean([b.seconds / a.seconds for a, b in pairs]),
        _mean([b.throughput / a.throughput for a, b in pairs]),
        tuple(_mean([b.doubts[kind] / a.doubts[kind] for a, b in pairs]) for kind in range(kinds)),
    )


def _mean(ratios: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _why(prediction: Prediction, slowest: DispatchProfile) -> str:
    told = []
    lanes = slowest.counters.active / 32
    if lanes < _IDLE:
        told.append(f"{100 * lanes:.0f} % of lanes at work")
    return ", ".join([*told, bottleneck(prediction)])


def _lines(prediction: Prediction) -> Iterator[str]:
    cycles: dict[int, float] = {}
    remarks: dict[int, list[str]] = {}
    for dispatch in prediction.dispatches:
        for line in dispatch.profile.lines:
            cycles[line.line] = cycles.get(line.line, 0.0) + dispatch.profile.dispatches * line.cycles
            remarks.setdefault(line.line, []).extend(_new(line, remarks.get(line.line, [])))
    total = sum(cycles.values()) or 1.0
    hot = [(share / total, number) for number, share in cycles.items() if number and share / total >= _WARM]
    for share, number in sorted(hot, key=lambda line: -line[0])[:_MOST_LINES]:
        yield "; ".join([f"line {number}: {100 * share:.0f} % of the instructions' cycles", *remarks[number]])


def _new(line: LineCounters, known: Sequence[str]) -> Iterator[str]:
    return (remark for remark in line_remarks(line) if remark not in known)
