"""(μ+λ) evolution: μ parents, λ children a generation, the best μ of all survive.

A child has one parent, or two whose ideas it is to combine. Parents are drawn in pairs, the better of each pair being
taken (a tournament of two).
"""

import random
from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request


class MuPlusLambda:
    """A population that its children replace when they are better.

    mu: survivors of a generation.
    children: children a generation (λ).
    crossover: share of children with two parents, from 0 to 1.
    seed: of the draws.
    """

    def __init__(self, *, mu: int = 4, children: int = 8, crossover: float = 0.25, seed: int = 0) -> None:
        for name, value in (("mu", mu), ("children", children)):
            if value < 1:
                raise ValueError(f"strategy.{name}={value}: at least 1")
        if not 0 <= crossover <= 1:
            raise ValueError(f"strategy.crossover={crossover}: a share, from 0 to 1")
        self._mu = mu
        self._children = children
        self._crossover = crossover
        self._rng = random.Random(f"mu_plus_lambda {seed}")
        self._population = [0]
        self._newborn: list[int] = []
        self._last_child: dict[int, int] = {}
        self._to_ask = children
        self._under_way = 0

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        if not self._to_ask and not self._under_way:
            self._survive(archive)
        count = min(n, self._to_ask)
        self._to_ask -= count
        self._under_way += count
        return [self._request(archive) for _ in range(count)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        self._under_way -= 1
        self._last_child[request.parents[0]] = request.id
        if evaluation.outcome.correct:
            self._newborn.append(request.id)

    def _request(self, archive: Archive) -> Request:
        parent = self._tournament(archive)
        last = self._last_child.get(parent)
        feedback = () if last is None else (last,)
        others = [member for member in self._population if member != parent]
        if others and self._rng.random() < self._crossover:
            return Request((parent, self._rng.choice(others)), feedback)
        return Request((parent,), feedback)

    def _tournament(self, archive: Archive) -> int:
        first, second = self._rng.choice(self._population), self._rng.choice(self._population)
        if archive[first].score >= archive[second].score:
            return first
        return second

    def _survive(self, archive: Archive) -> None:
        candidates = [*self._population, *self._newborn]
        candidates.sort(key=lambda i: (-archive[i].score, i))
        self._population = candidates[: self._mu]
        self._newborn = []
        self._to_ask = self._children
