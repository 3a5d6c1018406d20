"""The two error rates of promotion by paired tests, measured: searches among kernels whose speed is known.

All kernels do a known number of multiply-adds a thread and give the same result. A search of equal ones shows how often
a run promotes what is not faster; one slower incumbent shows how often a gain is found. Equal ones are not the same
program: each asks something that is never true, so that its code lies elsewhere. Pairs are run as a search runs them.
"""

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from metalsci.devices.program import Kernels, Symbol, trace
from metalsci.devices.protocol import Device, Execution
from metalsci.evaluation.pairing import runs_of, shortest
from metalsci.evaluation.promotion.protocol import Decision, Draw
from metalsci.evaluation.promotion.significant import Significant
from metalsci.evaluation.promotion.students_t import beta_quantile
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.msl.language.parse import parse

_THREADS = 1024
_GROUP = 64
_VARIANTS = 12
_WARM_UP = 2
_CALIBRATION = 50  # runs
_SLOWER = 0.2
_SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void toil(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {{
    if (i == {unlike}u) return;
    float v = x[i];
    for (uint turn = 0; turn < {turns}u; ++turn) v = fma(v, 0.5f, 0.25f);
    out[i] = v;
}}
"""


@dataclass(frozen=True)
class Toil:
    """A kernel by its amount of work, as a candidate of a search."""

    turns: int
    variant: int = 0

    @property
    def source(self) -> str:
        return _SOURCE.format(turns=self.turns, unlike=4_000_000_000 + self.variant)

    @property
    def evaluation(self) -> Evaluation:
        return Evaluation(Outcome.SCORED, score=1.0)


class Workshop:
    """Runner of kernels in turn, all bound once: a search here takes as long as its pairs. A context manager."""

    def __init__(self, device: Device) -> None:
        self._device = device
        signatures = parse(Toil(1).source).kernels
        self._signatures = signatures
        array = np.linspace(0, 1, _THREADS, dtype=np.float32)

        def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> tuple[Symbol, ...]:
            shape = ((_THREADS,), np.float32)
            grid = {"threads": (_THREADS, 1, 1), "threadgroup": (_GROUP, 1, 1)}
            return tuple(kernels.toil(inputs["x"], outputs=[shape], **grid))

        self._stage = device.stage(trace(host, {"x": array}, signatures))
        self._bound: dict[str, Execution] = {}
        self.pairs = 0

    @contextmanager
    def pair(self, incumbent: str, challenger: str) -> Iterator[Draw]:
        sides = [self._execution(source) for source in (incumbent, challenger)]
        runs = runs_of(max(shortest(side, _WARM_UP) for side in sides))

        def draw() -> float:
            self.pairs += 1
            order = (0, 1) if self.pairs % 2 else (1, 0)
            seconds = {side: shortest(sides[side], runs) for side in order}
            return math.log(seconds[0] / seconds[1])

        yield draw

    def _execution(self, source: str) -> Callable[[], float]:
        if source not in self._bound:
            self._bound[source] = self._stage.bind(self._device.compile(source, self._signatures))
        execution = self._bound[source]
        return lambda: execution.run().seconds

    def more_work(self, turns: int, share: float) -> int:
        """Return the turns with which a run takes longer by a share of itself, what launching takes counted in."""
        execution = self._execution(Toil(turns).source)
        launching = self._bound[Toil(turns).source].launch_cost
        whole = shortest(execution, _CALIBRATION)
        launch = shortest(lambda: launching().seconds, _CALIBRATION)
        return round(turns * (1 + share * whole / max(whole - launch, whole / 2)))

    def close(self) -> None:
        self._stage.close()


@dataclass
class Rates:
    """Results of some searches: counts, and the pairs that tests of each kind took."""

    load: int
    searches: int = 0
    false: int = 0
    gains: int = 0
    found: int = 0
    pairs: dict[str, list[float]] = field(default_factory=lambda: {"equal": [], "faster": [], "slower": []})
    noise: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def mean_pairs(self, kind: str) -> float:
        if self.pairs[kind]:
            return statistics.fmean(self.pairs[kind])
        return math.nan

    @property
    def most_false(self) -> float:
        """Upper end of the one-sided 95 % interval of the share of runs with a false promotion."""
        return beta_quantile(0.95, self.false + 1, self.searches - self.false)


def measure(
    workshop: Workshop,
    settings: Significant,
    *,
    load: int,
    searches: int,
    challengers: int,
    turns: int,
    progress: Callable[[Rates], None],
) -> Rates:
    """Run searches of equal challengers, each with one that is faster by the settings' gain, and one 20 % slower.

    load: busy processes next to the search. turns: multiply-adds of a thread; a run should take some 0.1 ms or more.
    """
    rates = Rates(load)
    begin = time.perf_counter()
    equal, slow = Toil(turns), Toil(workshop.more_work(turns, settings.gain))
    slower = Toil(workshop.more_work(turns, _SLOWER))
    others = [Toil(turns, variant) for variant in range(1, _VARIANTS + 1)]
    with busy(load):
        for _ in range(searches):
            rule = settings.begin(workshop, challengers)
            decisions = [rule.decide(equal, others[n % _VARIANTS], _silent) for n in range(challengers)]
            rates.searches += 1
            rates.false += any(decision.promoted for decision in decisions)
            _keep(rates, "equal", decisions)
            gain = rule.decide(slow, others[rates.searches % _VARIANTS], _silent)
            rates.gains += 1
            rates.found += gain.promoted
            _keep(rates, "faster", [gain])
            _keep(rates, "slower", [rule.decide(equal, slower, _silent)])
            rates.seconds = time.perf_counter() - begin
            progress(rates)
    return rates


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Start other processes that compute and stream memory all the time."""
    others = [multiprocessing.get_context("spawn").Process(target=_toil_on, daemon=True) for _ in range(processes)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.terminate()
            other.join()


def _keep(rates: Rates, kind: str, decisions: list[Decision]) -> None:
    for decision in decisions:
        rates.pairs[kind].append(decision.figures["pairs"])
        rates.noise.append(decision.figures["noise"])


def _silent(_: str) -> None:
    pass


def _toil_on() -> None:
    values = np.ones(1 << 20, np.float32)
    while True:
        values = values * np.float32(0.5) + np.float32(0.5)
