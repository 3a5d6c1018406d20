"""Islands: populations that evolve apart, exchange their best now and then, and start again when they fall behind.

After FunSearch (Romera-Paredes et al. 2023): islands keep a search from settling on one idea, and resetting the worst
half moves the effort to the ideas that work.
"""

import random
from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request


class Islands:
    """Strategy that improves on a member of the island whose turn it is.

    islands: how many there are.
    members: the best that an island keeps; its parents are drawn from these, the best most often.
    migrate_every: attempts after which every island gets the best kernel of its neighbour; 0 for never.
    reset_every: attempts after which the worse half of the islands starts again from a kernel of the better half;
        0 for never.
    seed: of the draws.
    """

    def __init__(
        self, *, islands: int = 4, members: int = 4, migrate_every: int = 20, reset_every: int = 60, seed: int = 0
    ) -> None:
        for name, value in (("islands", islands), ("members", members)):
            if value < 1:
                raise ValueError(f"strategy.{name}={value}: at least 1")
        for name, value in (("migrate_every", migrate_every), ("reset_every", reset_every)):
            if value < 0:
                raise ValueError(f"strategy.{name}={value}: a number of attempts, or 0 for never")
        self._most = members
        self._migrate_every = migrate_every
        self._reset_every = reset_every
        self._rng = random.Random(f"islands {seed}")
        self._members: list[list[int]] = [[0] for _ in range(islands)]
        self._last = [0] * islands
        self._scores: dict[int, float] = {}
        self._asked = 0
        self._told = 0

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        self._scores.setdefault(0, archive.seed.score)
        requests = []
        for _ in range(n):
            island = self._asked % len(self._members)
            self._asked += 1
            parent, last = self._draw(self._members[island]), self._last[island]
            feedback = (last,) if last != parent else ()
            requests.append(Request((parent,), feedback, note={"island": island}))
        return requests

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        island = request.note["island"]
        self._told += 1
        self._last[island] = request.id
        if evaluation.outcome.correct:
            self._scores[request.id] = evaluation.score
            self._settle(island, request.id)
        if self._migrate_every and self._told % self._migrate_every == 0:
            self._migrate()
        if self._reset_every and self._told % self._reset_every == 0:
            self._reset()

    def _draw(self, members: list[int]) -> int:
        """Draw a member: the best with half the chance, the next with a quarter, and so on."""
        for member in members:
            if self._rng.random() < 0.5:
                return member
        return members[0]

    def _settle(self, island: int, newcomer: int) -> None:
        """Insert a newcomer; members are kept best first."""
        members = self._members[island]
        if newcomer not in members:
            members.append(newcomer)
            members.sort(key=lambda i: (-self._scores[i], i))
            del members[self._most :]

    def _migrate(self) -> None:
        emigrants = [members[0] for members in self._members]
        for island, emigrant in enumerate(emigrants):
            self._settle((island + 1) % len(self._members), emigrant)

    def _reset(self) -> None:
        ranking = sorted(range(len(self._members)), key=lambda i: (-self._scores[self._members[i][0]], i))
        half = (len(ranking) + 1) // 2
        for loser in ranking[half:]:
            winner = self._rng.choice(ranking[:half])
            founder = self._draw(self._members[winner])
            self._members[loser] = [founder]
            self._last[loser] = founder
