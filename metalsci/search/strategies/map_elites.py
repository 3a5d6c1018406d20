"""MAP-Elites (Mouret, Clune 2015): the best kernel of each kind, so that different ideas are improved side by side.

A kind is a cell of a grid over descriptors of the kernel's text (threadgroup memory, barriers, simdgroup functions and
size) and of what is counted of it (traffic) and predicted (bottleneck, lanes at work, simdgroups on a core). A kernel
that tiles through threadgroup memory need not beat one that keeps everything in registers to be kept.
"""

import random
from collections.abc import Sequence

from metalsci.devices.virtual.forecast import Forecast
from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive, Entry
from metalsci.search.request import Request
from metalsci.search.strategies.descriptors import describe_kernel

_TEXT = ("threadgroup_memory", "barriers", "simd_functions", "size")
_PROFILE = ("traffic", "bottleneck", "lanes", "occupancy")  # of a forecast; without one they tell no kernels apart
_MEMORY_STEPS = (0, 4096, 16384)  # bytes
_COUNT_STEPS = (0, 2)  # calls
_TRAFFIC_STEPS = (2.0, 8.0)  # lines of 128 bytes an access of a simdgroup
_LANES_STEPS = (0.25, 0.75)  # share of lanes at work
_OCCUPANCY_STEPS = (8, 24)  # simdgroups on a core


class MapElites:
    """Strategy that improves on the best kernel of one cell or another.

    descriptors: the axes of the grid: some of threadgroup_memory, barriers, simd_functions, size, and of traffic,
        bottleneck, lanes, occupancy, which the profile has on a device that counts.
    greed: share of requests that improve on the best kernel of all; the others draw a cell.
    crossover: share of requests that combine the elites of two cells.
    seed: of the draws.
    """

    def __init__(
        self,
        *,
        descriptors: Sequence[str] = ("threadgroup_memory", "barriers", "simd_functions", "size", "traffic"),
        greed: float = 0.3,
        crossover: float = 0.1,
        seed: int = 0,
    ) -> None:
        if not descriptors or not set(descriptors) <= {*_TEXT, *_PROFILE}:
            raise ValueError(f"strategy.descriptors={list(descriptors)}: some of {', '.join((*_TEXT, *_PROFILE))}")
        for name, value in (("greed", greed), ("crossover", crossover)):
            if not 0 <= value <= 1:
                raise ValueError(f"strategy.{name}={value}: a share, from 0 to 1")
        self._descriptors = tuple(descriptors)
        self._greed = greed
        self._crossover = crossover
        self._rng = random.Random(f"map_elites {seed}")
        self._elites: dict[tuple[int, ...], int] = {}
        self._last_child: dict[int, int] = {}
        self._told: list[int] = [0]

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        for iteration in self._told:
            self._settle(archive[iteration], archive)
        self._told = []
        return [self._request(archive) for _ in range(n)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        self._last_child[request.parents[0]] = request.id
        if evaluation.outcome.correct:
            self._told.append(request.id)

    def _request(self, archive: Archive) -> Request:
        elites = list(self._elites.values())
        parent = self._rng.choice(elites)
        if self._rng.random() < self._greed:
            parent = archive.best(1)[0].iteration
        others = [elite for elite in elites if elite != parent]
        last = self._last_child.get(parent)
        feedback = () if last is None else (last,)
        if others and self._rng.random() < self._crossover:
            return Request((parent, self._rng.choice(others)), feedback)
        return Request((parent,), feedback)

    def _settle(self, entry: Entry, archive: Archive) -> None:
        cell = self._cell(entry)
        elite = self._elites.get(cell)
        if elite is None or archive[elite].score < entry.score:
            self._elites[cell] = entry.iteration

    def _cell(self, entry: Entry) -> tuple[int, ...]:
        kernel = describe_kernel(entry.source or "")
        bins = {
            **_profile_bins(entry.evaluation.forecast),
            "threadgroup_memory": sum(kernel.threadgroup_memory > step for step in _MEMORY_STEPS),
            "barriers": sum(kernel.barriers > step for step in _COUNT_STEPS),
            "simd_functions": sum(kernel.simd_functions > step for step in _COUNT_STEPS),
            "size": max(1, kernel.size).bit_length(),
        }
        return tuple(bins[name] for name in self._descriptors)


def _profile_bins(forecast: Forecast | None) -> dict[str, int]:
    figures = forecast.figures if forecast else {}
    if not figures:
        return dict.fromkeys(_PROFILE, -1)
    shares = sorted(name for name in figures if name.startswith("share/"))
    return {
        "traffic": sum(figures["lines"] > step for step in _TRAFFIC_STEPS),
        "bottleneck": max(range(len(shares)), key=lambda index: figures[shares[index]]),
        "lanes": sum(figures["lanes"] > step for step in _LANES_STEPS),
        "occupancy": sum(figures["occupancy"] > step for step in _OCCUPANCY_STEPS),
    }
