"""The model's prediction for a whole program, and the condition for comparing two of them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from metalsci.cpu_metal.profiler.counters import DispatchProfile, Profile
from metalsci.devices.virtual.gpu_facts import GpuFacts, GpuValues
from metalsci.devices.virtual.model import DispatchTime, dispatch_time

CLOSEST = 1.2
"""Predictions nearer than this are no better than a coin: within 10 % half of the recorded pairs were right."""
APART = 1.5
"""Ratio past which neither of two models is believed, if they name different winners."""
STEADY = 1.1
"""The least ratio that must be left with any assumed constant halved or doubled. Of the recorded pairs without it 8 in
10 were right at the largest size, with it 93 in 100."""


@dataclass(frozen=True)
class DispatchPrediction:
    """Dispatches of one kernel over one grid: what was counted, and the seconds of one of them."""

    profile: DispatchProfile
    time: DispatchTime

    @property
    def seconds(self) -> float:
        """Seconds of all of them."""
        return self.profile.dispatches * self.time.seconds


@dataclass(frozen=True)
class Prediction:
    """Prediction for a program on the GPU `gpu`. doubts: seconds with each assumed constant halved, and doubled."""

    gpu: str
    dispatches: tuple[DispatchPrediction, ...]
    doubts: tuple[float, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(dispatch.seconds for dispatch in self.dispatches)

    @property
    def throughput(self) -> float:
        """Seconds by the second model, in which every wait is hidden."""
        return sum(dispatch.profile.dispatches * dispatch.time.throughput for dispatch in self.dispatches)

    @property
    def terms(self) -> Mapping[str, float]:
        """Seconds of the whole program by term."""
        total: defaultdict[str, float] = defaultdict(float)
        for dispatch in self.dispatches:
            for name, seconds in dispatch.time.terms.items():
                total[name] += dispatch.profile.dispatches * seconds
        return dict(total)

    @property
    def bottleneck(self) -> tuple[str, float]:
        """The largest term, and its share of the seconds."""
        name, seconds = max(self.terms.items(), key=lambda term: term[1])
        return name, min(1.0, seconds / self.seconds)


class PredictedOrder(StrEnum):
    FASTER = "faster"
    SLOWER = "slower"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class PredictedComparison:
    """Comparison of two kernels: the speedup by both models, and whether it means anything.

    doubted: the speedup with each assumed constant halved, and doubled.
    """

    speedup: float
    throughput_speedup: float
    doubted: tuple[float, ...] = ()

    @property
    def order(self) -> PredictedOrder:
        if 1 / CLOSEST < self.speedup < CLOSEST or self._opposed or not self._steady:
            return PredictedOrder.UNDECIDED
        if self.speedup > 1:
            return PredictedOrder.FASTER
        return PredictedOrder.SLOWER

    @property
    def _opposed(self) -> bool:
        """True if the model without waits has an opinion, and it is the other one."""
        low, high = sorted((self.speedup, self.throughput_speedup))
        told = not 1 / CLOSEST < self.throughput_speedup < CLOSEST
        return told and low < 1 < high and high / low > APART

    @property
    def _steady(self) -> bool:
        if self.speedup > 1:
            return all(speedup > STEADY for speedup in self.doubted)
        return all(speedup < 1 / STEADY for speedup in self.doubted)


def predict(profile: Profile, gpu: GpuFacts | GpuValues) -> Prediction:
    """Predict the seconds of a profile on a GPU."""
    values = gpu.values() if isinstance(gpu, GpuFacts) else gpu
    told = tuple(DispatchPrediction(each, dispatch_time(each, values)) for each in profile.dispatches)
    doubts = tuple(sum(_seconds(each, other) for each in profile.dispatches) for other in values.doubts())
    return Prediction(values.name, told, doubts)


def _seconds(profile: DispatchProfile, gpu: GpuValues) -> float:
    return profile.dispatches * dispatch_time(profile, gpu).seconds


def compare(one: Prediction, other: Prediction) -> PredictedComparison:
    """Compare `one` with `other`, which solves the same problem."""
    doubted = tuple(b / a for a, b in zip(one.doubts, other.doubts, strict=True))
    return PredictedComparison(other.seconds / one.seconds, other.throughput / one.throughput, doubted)
