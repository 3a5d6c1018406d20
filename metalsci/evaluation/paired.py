"""Two kernels timed in turn: the only comparison that a noisy machine allows.

Scores taken minutes apart differ by the other load of the machine. Here both kernels run in turn on the same bench, and
the speedup is the median over the rounds of the ratio of neighbours, with its quartiles.
"""

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.devices.protocol import Elapsed, Module
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.floors import launch_floor
from metalsci.evaluation.promotion.students_t import quantile
from metalsci.evaluation.results import Invariant, Outcome, Roofline, SizeResult, Timing, score
from metalsci.evaluation.staged_size import Attempt, Bench

_FURTHER = 3  # times as many rounds as usual, if a duel is not clear by then
_FEWEST = 3  # rounds to tell a spread from
_NARROW = 0.05  # of the mean log ratio: half of its 95 % interval


@dataclass(frozen=True)
class Contender:
    """Result of one side. Without timing the outcome says why. The other fields are those of a SizeResult."""

    outcome: Outcome
    detail: str = ""
    timing: Timing | None = None
    roofline: Roofline | None = None
    error: float | None = None
    invariants: tuple[Invariant, ...] = ()
    unsound: bool = False
    launch: float | None = None

    @classmethod
    def of(cls, result: SizeResult) -> "Contender":
        return cls(
            result.outcome,
            result.detail,
            result.timing,
            result.roofline,
            result.error,
            result.invariants,
            result.unsound,
            result.launch,
        )


@dataclass(frozen=True)
class Duel:
    """Seed time over challenger time as `speedup`: median and quartiles over the rounds; None unless both are right."""

    label: str
    seed: Contender
    challenger: Contender
    speedup: float | None = None
    quartiles: tuple[float, float] | None = None


def duel(bench: Bench, seed: Module, challenger: Module, repeats: Repeats) -> Duel:
    """Verify both, time them in turn, the other one first in every second round, and verify the last runs' results."""
    modules = (seed, challenger)
    contenders: list[Contender] = []
    executions: list[Attempt] = []
    for module in modules:
        try:
            executions.append(bench.bind(module))
            verified = bench.verify(executions[-1])
            if verified.outcome.correct:
                with bench.draw(module) as drawn:
                    verified = bench.verify_drawn(drawn) or verified
            contenders.append(Contender.of(verified))
        except CANDIDATE_FAULTS as failure:
            contenders.append(Contender(Outcome.of(failure), str(failure)))
    if not all(c.outcome.correct for c in contenders):
        return Duel(bench.size.label, contenders[0], contenders[1])

    times: list[list[Elapsed]] = [[], []]
    for turn, timed in enumerate(_until_it_is_clear(repeats, times)):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            try:
                elapsed = bench.once(executions[side])
            except CANDIDATE_FAULTS as failure:
                contenders[side] = Contender(Outcome.of(failure), str(failure))
                return Duel(bench.size.label, contenders[0], contenders[1])
            if timed:
                times[side].append(elapsed)
    for side, execution in enumerate(executions):
        bench.once(execution)  # both sides write the same outputs
        after = bench.compare(execution)
        if not after.outcome.correct:
            contenders[side] = Contender.of(after)
            return Duel(bench.size.label, contenders[0], contenders[1])
    timings = [Timing.of(runs) for runs in times]
    launch = launch_floor(executions[1].launch)  # of the same calls on either side
    both = [
        replace(c, timing=t, roofline=bench.roofline(t), launch=launch)
        for c, t in zip(contenders, timings, strict=True)
    ]
    suspicion = bench.suspicion(executions[1], timings[1], launch)
    if suspicion:  # the seed kernel is the task's own
        both[1] = replace(both[1], outcome=Outcome.SUSPECT, detail=suspicion)
        return Duel(bench.size.label, both[0], both[1])
    ratios = Timing(tuple(s.seconds / c.seconds for s, c in zip(*times, strict=True)))
    return Duel(bench.size.label, both[0], both[1], ratios.median, ratios.quartiles)


def _until_it_is_clear(repeats: Repeats, times: Sequence[Sequence[Elapsed]]) -> Iterator[bool]:
    """Yield the usual rounds, and up to a cap further ones while chance may make 5 % or turn the sign."""
    begin = time.perf_counter()
    yield from repeats.rounds()
    for _ in range(_FURTHER * repeats.timed):
        logs = [math.log(s.seconds / c.seconds) for s, c in zip(*times, strict=True)]
        if len(logs) < _FEWEST or time.perf_counter() - begin > repeats.seconds:
            return
        reach = quantile(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
        if reach < max(_NARROW, abs(statistics.fmean(logs)) / 2):
            return
        yield True


def confirm(evaluator: Evaluator, seed_kernel: str, incumbent: str) -> tuple[Duel, ...]:
    """Time both kernels in turn at every size of the evaluator. Raises CompileError only if a source never compiled."""
    seed = evaluator.compile(seed_kernel)
    challenger = evaluator.compile(incumbent)
    try:
        return tuple(duel(bench, seed, challenger, evaluator.repeats) for bench in evaluator.benches)
    finally:
        seed.close()
        challenger.close()


def speedup_of(duels: Sequence[Duel]) -> float:
    """Return the self-speedup over all sizes: the geometric mean of the duels' speedups, zero unless all have one.

    It is the ratio of the two scores, but each duel's ratio is taken between neighbours in time, so that a slow moment
    of the machine slows both sides.
    """
    ratios = [d.speedup for d in duels if d.speedup]
    if len(ratios) == len(duels):
        return statistics.geometric_mean(ratios)
    return 0.0


def score_of(sides: Sequence[Contender]) -> float:
    """Return S of one side: the geometric mean of its fractions of the ceiling, zero unless all are right."""
    return score([SizeResult("", s.outcome, timing=s.timing, roofline=s.roofline) for s in sides])
