"""A landscape: a task whose model and evaluation are arithmetic.

A candidate is a text, as everywhere, and its worth is known exactly. A search sees that worth with noise, as with a
measurement.
"""

import math
import random
from collections.abc import Sequence
from typing import Protocol

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.record import Answered
from metalsci.msl.language.parse import Unit
from metalsci.search.archive import Archive
from metalsci.search.proposal import Job, Progress, Proposal
from metalsci.search.request import Request
from metalsci.task.definition import TaskView

_NOISE = 0.03  # of a score, relative: scores of one kernel minutes apart differ by so much


class Terrain(Protocol):
    """The arithmetic of a landscape: children of texts, and the worth of a text."""

    @property
    def name(self) -> str: ...

    @property
    def start(self) -> str:
        """Return the seed kernel's text."""

    def child(self, parents: Sequence[str], rng: random.Random) -> str | None:
        """Return a text that a model might write, given its parents; None for a wrong one."""

    def worth(self, source: str) -> float:
        """Return the logarithm to base 2 of the speedup over the start, without noise."""


class Landscape:
    """A terrain as the two functions of a search. The same seed gives the same answers to the same requests."""

    def __init__(self, terrain: Terrain, seed: int) -> None:
        self.terrain = terrain
        self.task = TaskView(terrain.name, "", terrain.start, (), ())
        self._seed = seed

    def propose(self, request: Request, archive: Archive, heard: Sequence[Answered]) -> Job:
        parents = [archive[i].source or self.terrain.start for i in request.parents]
        child = self.terrain.child(parents, random.Random(f"{self._seed} answer {request.id}"))
        wrong = Evaluation(Outcome.WRONG, "wrong") if child is None else None
        return lambda progress: Proposal(child, wrong)

    def evaluate(self, candidate: str | Unit, progress: Progress) -> Evaluation:
        source = candidate if isinstance(candidate, str) else candidate.source
        noise = random.Random(f"{self._seed} noise {source}").gauss(0.0, _NOISE)
        return Evaluation(Outcome.SCORED, score=2 ** self.terrain.worth(source) * math.exp(noise))
