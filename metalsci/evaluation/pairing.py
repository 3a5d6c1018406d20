"""Two candidates of one evaluator, run in turn: the source of a paired test's draws."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.evaluation.evaluator import Evaluator
from metalsci.evaluation.promotion.protocol import Draw, PairingFailed
from metalsci.evaluation.staged_size import Attempt, Bench

_SHORT = 0.010  # seconds: a side that takes less runs more often
_MOST_RUNS = 5  # of a side in one pair
_WARM_UP = 2


def shortest(run: Callable[[], float], runs: int) -> float:
    """Return the seconds of the shortest of several runs: what disturbs a run only adds to it."""
    return min(run() for _ in range(runs))


def runs_of(seconds: float) -> int:
    """Return how often a side runs in one pair, if a run takes so long."""
    return min(_MOST_RUNS, max(1, int(_SHORT / seconds)))


class Pairing:
    """Runner of pairs at every size of an evaluator."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    @contextmanager
    def pair(self, incumbent: str, challenger: str) -> Iterator[Draw]:
        """Yield a function that draws a pair.

        A draw is the mean over the sizes of the log of incumbent time over challenger time; the other one runs first in
        every second pair. Of several runs of one side the shortest counts, since a disturbance can only lengthen a run.
        Raises PairingFailed, as each draw may.
        """
        modules = []
        try:
            with _as_failed_pairings():
                modules = [self._evaluator.compile(source) for source in (incumbent, challenger)]
                sizes = [_Pair(bench, [bench.bind(m) for m in modules]) for bench in self._evaluator.benches]
            turn = 0

            def draw() -> float:
                nonlocal turn
                turn += 1
                with _as_failed_pairings():
                    return statistics.fmean(size.draw(turn % 2 == 0) for size in sizes)

            yield draw
            for size in sizes:
                size.verify()
        finally:
            for module in modules:
                module.close()


class _Pair:
    """Both sides at one size."""

    def __init__(self, bench: Bench, sides: Sequence[Attempt]) -> None:
        self._bench = bench
        self._sides = sides
        self._runs = runs_of(max(shortest(partial(self._run, side), _WARM_UP) for side in sides))

    def draw(self, challenger_first: bool) -> float:
        least = [math.inf, math.inf]
        for side in (1, 0) if challenger_first else (0, 1):
            least[side] = shortest(partial(self._run, self._sides[side]), self._runs)
        return math.log(least[0] / least[1])

    def verify(self) -> None:
        """Verify the results of the last runs.

        Raises PairingFailed if the challenger's are wrong: speed is no excuse.
        """
        with _as_failed_pairings():
            self._run(self._sides[1])
            after = self._bench.compare(self._sides[1])
        if not after.outcome.correct:
            raise PairingFailed(f"{after.label}: {after.detail}")

    def _run(self, side: Attempt) -> float:
        return self._bench.once(side).seconds


@contextmanager
def _as_failed_pairings() -> Iterator[None]:
    try:
        yield
    except CANDIDATE_FAULTS as failure:
        raise PairingFailed(str(failure)) from failure
