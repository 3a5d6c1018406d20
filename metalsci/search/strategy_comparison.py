"""Strategies compared: the same landscapes, as many evaluations, many seeds, and how sure the ranking is."""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from metalsci.search.archive import Archive
from metalsci.search.budget import Budget
from metalsci.search.flights import Flights
from metalsci.search.journal import MemoryJournal
from metalsci.search.landscapes.landscape import Landscape, Terrain
from metalsci.search.loop import Search
from metalsci.search.strategies.protocol import Strategy

CONTROL = "best_of_n"
_RESAMPLES = 1000

MakeStrategy = Callable[[int], Strategy]
MakeTerrain = Callable[[int], Terrain]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval, by the percentile bootstrap over runs."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        rng = random.Random(0)
        means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(_RESAMPLES))
        return cls(statistics.fmean(values), means[_RESAMPLES // 40], means[-_RESAMPLES // 40 - 1])


@dataclass(frozen=True)
class Standing:
    """A strategy on one landscape. Speeds are doublings over the seed kernel, without noise.

    curves: of each run, the incumbent's speed after each evaluation.
    final: the incumbent's speed at the end.
    gain: the final speed minus the control's on the same landscape and seed.
    """

    strategy: str
    landscape: str
    curves: Sequence[Sequence[float]]
    final: Interval
    gain: Interval

    @property
    def verdict(self) -> str:
        if self.strategy == CONTROL:
            return "control"
        if self.gain.low > 0:
            return "better"
        if self.gain.high < 0:
            return "worse"
        return "no difference"


def compare(
    strategies: Mapping[str, MakeStrategy], terrains: Mapping[str, MakeTerrain], *, evaluations: int, runs: int
) -> list[Standing]:
    """Run every strategy on every landscape. The control must be among the strategies."""
    standings = []
    for landscape, make_terrain in terrains.items():
        curves: dict[str, list[list[float]]] = {name: [] for name in strategies}
        for seed in range(runs):
            terrain = make_terrain(seed)
            for name, make_strategy in strategies.items():
                curves[name].append(climb(make_strategy(seed), Landscape(terrain, seed), evaluations))
        control = [curve[-1] for curve in curves[CONTROL]]
        ranked = []
        for name, runs_of_it in curves.items():
            final = [curve[-1] for curve in runs_of_it]
            gains = [mine - theirs for mine, theirs in zip(final, control, strict=True)]
            ranked.append(Standing(name, landscape, runs_of_it, Interval.of(final), Interval.of(gains)))
        standings += sorted(ranked, key=lambda standing: -standing.final.mean)
    return standings


def climb(strategy: Strategy, landscape: Landscape, evaluations: int, flights: Flights | None = None) -> list[float]:
    """Search a landscape. Return the incumbent's worth after each evaluation, the seed kernel's first."""
    curve = _Curve(landscape)
    Search(
        task=landscape.task,
        propose=landscape.propose,
        evaluate=landscape.evaluate,
        strategy=strategy,
        budget=Budget(evaluations),
        journal=MemoryJournal(),
        flights=flights,
        watchers=(curve,),
    ).run()
    return curve.worths


class _Curve:
    """A watcher that records how good the incumbent is."""

    def __init__(self, landscape: Landscape) -> None:
        self._worth = landscape.terrain.worth
        self.worths: list[float] = []

    def step(self, text: str) -> None: ...

    def entry(self, archive: Archive) -> None:
        if archive.last is archive.incumbent:
            self.worths.append(self._worth(archive.incumbent.source or ""))
        else:
            self.worths.append(self.worths[-1])
