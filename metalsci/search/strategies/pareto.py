"""A Pareto front: parents that no other kernel beats in every objective.

Objectives: score, error, threadgroup memory, size of the source. A kernel that is slower and simpler, or slower and
more exact, stays on the front: its children may combine both.
"""

import random
from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive, Entry
from metalsci.search.request import Request
from metalsci.search.strategies.descriptors import describe_kernel

_OBJECTIVES = ("score", "error", "threadgroup_memory", "size")


class Pareto:
    """Strategy that improves on members of the front.

    objectives: some of score, error, threadgroup_memory, size; score is always one of them.
    greed: share of requests that improve on the member of the highest score; the others draw from the whole front.
    most: members of the front; beyond that the lowest scores go.
    seed: of the draws.
    """

    def __init__(
        self, *, objectives: Sequence[str] = _OBJECTIVES, greed: float = 0.5, most: int = 12, seed: int = 0
    ) -> None:
        if "score" not in objectives or not set(objectives) <= set(_OBJECTIVES):
            raise ValueError(f"strategy.objectives={list(objectives)}: score, and some of {', '.join(_OBJECTIVES[1:])}")
        if not 0 <= greed <= 1:
            raise ValueError(f"strategy.greed={greed}: a share, from 0 to 1")
        if most < 1:
            raise ValueError(f"strategy.most={most}: at least 1")
        self._objectives = tuple(objectives)
        self._greed = greed
        self._most = most
        self._rng = random.Random(f"pareto {seed}")
        self._front: dict[int, tuple[float, ...]] = {}
        self._last_child: dict[int, int] = {}
        self._told: list[int] = [0]

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        for iteration in self._told:
            self._settle(archive[iteration])
        self._told = []
        requests = []
        for _ in range(n):
            parent = self._draw(archive)
            last = self._last_child.get(parent)
            requests.append(Request((parent,), feedback=() if last is None else (last,)))
        return requests

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        self._last_child[request.parents[0]] = request.id
        if evaluation.outcome.correct:
            self._told.append(request.id)

    def _draw(self, archive: Archive) -> int:
        if self._rng.random() < self._greed:
            return max(self._front, key=lambda i: (archive[i].score, -i))
        return self._rng.choice(list(self._front))

    def _settle(self, entry: Entry) -> None:
        """Put a newcomer on the front, unless a member is at least as good in every objective."""
        values = self._values(entry)
        if any(_covers(member, values) for member in self._front.values()):
            return
        self._front = {i: member for i, member in self._front.items() if not _covers(values, member)}
        self._front[entry.iteration] = values
        if len(self._front) > self._most:
            del self._front[min(self._front, key=lambda i: self._front[i][self._objectives.index("score")])]

    def _values(self, entry: Entry) -> tuple[float, ...]:
        """Return the objectives' values; more is better in each."""
        kernel = describe_kernel(entry.source or "")
        errors = [size.error for size in entry.evaluation.sizes if size.error is not None]
        values = {
            "score": entry.score,
            "error": -max(errors, default=0.0),
            "threadgroup_memory": -float(kernel.threadgroup_memory),
            "size": -float(kernel.size),
        }
        return tuple(values[name] for name in self._objectives)


def _covers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return True if `one` is at least as good in every objective."""
    return all(a >= b for a, b in zip(one, other, strict=True))
