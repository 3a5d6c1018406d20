"""(1+1) evolution that leaves a local optimum: after some attempts without progress it starts again elsewhere.

A new start has another parent (an earlier good kernel, or the seed kernel) and, for its first attempt, a prompt that
asks for another structure. The incumbent of the search does not change.
"""

import random
from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request

_ADVICE = (
    "The last attempts made this kernel no faster. Leave its structure: choose another decomposition of the work, "
    "another data layout, or another order of the loops."
)


class Restarts:
    """Strategy that climbs from one start after another.

    patience: attempts without an improvement of the current climb before a new start.
    pool: a new start is drawn from that many of the best kernels so far, and the seed kernel.
    advice: ask for another structure at a new start.
    seed: of the draws.
    """

    def __init__(self, *, patience: int = 8, pool: int = 5, advice: bool = True, seed: int = 0) -> None:
        if patience < 1:
            raise ValueError(f"strategy.patience={patience}: at least 1")
        if pool < 1:
            raise ValueError(f"strategy.pool={pool}: at least 1")
        self._patience = patience
        self._pool = pool
        self._advice = advice
        self._rng = random.Random(f"restarts {seed}")
        self._current = 0
        self._current_score = 0.0
        self._last: int | None = None
        self._stale = 0
        self._climb = 0

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        if self._stale >= self._patience:
            self._start_again(archive)
        if self._current == 0:
            self._current_score = archive.seed.score
        feedback = () if self._last is None else (self._last,)
        fresh = self._advice and self._climb and self._stale == 0 and self._last is None
        parts = {"advice": _ADVICE} if fresh else {}
        return [Request((self._current,), feedback, parts=parts, note={"climb": self._climb}) for _ in range(n)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        if request.note["climb"] != self._climb:
            return  # an answer that was under way when the climb was given up
        self._last = request.id
        if evaluation.outcome.correct and evaluation.score > self._current_score:
            self._current, self._current_score, self._last, self._stale = request.id, evaluation.score, None, 0
        else:
            self._stale += 1

    def _start_again(self, archive: Archive) -> None:
        starts = [entry for entry in (*archive.best(self._pool), archive.seed) if entry.iteration != self._current]
        chosen = self._rng.choice(starts or [archive.seed])
        self._current, self._current_score = chosen.iteration, chosen.score
        self._last, self._stale = None, 0
        self._climb += 1
