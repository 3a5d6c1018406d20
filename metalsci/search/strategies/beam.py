"""Beam search: the best few kernels are each improved a few times, and the best of all go on.

    beam = [seed kernel]
    each generation: `branching` children of every member of the beam
                     beam = the best `width` of members and children, at most `siblings` of one parent

A generation ends when all its children have been judged; until then nothing more is asked.
"""

from collections import Counter, deque
from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive, Entry
from metalsci.search.request import Request


class Beam:
    """Strategy that keeps several lines of descent and improves each in turn.

    width: members of the beam.
    branching: children of each member in a generation.
    siblings: children of one parent that may enter the next beam, so that it keeps more than one idea.
    """

    def __init__(self, *, width: int = 3, branching: int = 2, siblings: int = 1) -> None:
        for name, value in (("width", width), ("branching", branching), ("siblings", siblings)):
            if value < 1:
                raise ValueError(f"strategy.{name}={value}: at least 1")
        self._width = width
        self._branching = branching
        self._siblings = siblings
        self._beam = [0]
        self._to_ask: deque[int] = deque([0] * width * branching)  # the first generation has one parent
        self._children: list[int] = []
        self._last_child: dict[int, int] = {}
        self._under_way = 0

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        if not self._to_ask and not self._under_way:
            self._select(archive)
        requests: list[Request] = []
        while self._to_ask and len(requests) < n:
            parent = self._to_ask.popleft()
            last = self._last_child.get(parent)
            requests.append(Request((parent,), feedback=() if last is None else (last,)))
        self._under_way += len(requests)
        return requests

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        self._under_way -= 1
        self._last_child[request.parents[0]] = request.id
        if evaluation.outcome.correct:
            self._children.append(request.id)

    def _select(self, archive: Archive) -> None:
        """End a generation: choose the next beam, and line up its children."""
        members = [archive[i] for i in (*self._beam, *self._children)]
        members.sort(key=lambda entry: (-entry.score, entry.iteration))
        chosen: list[Entry] = []
        taken: Counter[tuple[int, ...]] = Counter()
        for entry in members:
            if len(chosen) < self._width and taken[entry.parents] < self._siblings:
                taken[entry.parents] += 1
                chosen.append(entry)
        self._beam = [entry.iteration for entry in chosen]
        self._children = []
        self._to_ask = deque(member for member in self._beam for _ in range(self._branching))
