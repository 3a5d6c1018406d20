"""(1+1) evolution that stays with a failure until it is right or given up.

A kernel that is wrong at one element, or does not compile, may hold the idea that the search needs. The published
harness shows it once, next to the incumbent, and forgets it; here it is the parent of the next requests.
"""

from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.archive import Archive
from metalsci.search.request import Request

_PROMISING = (
    Outcome.COMPILE_ERROR,
    Outcome.PIPELINE_ERROR,
    Outcome.WRONG,
    Outcome.CRASHED,
    Outcome.TIMED_OUT,
    Outcome.UNCOUNTED,
)


class Repair:
    """Strategy that improves on the incumbent and repairs failures.

    - tries: attempts at one failure before it is given up.
    """

    def __init__(self, *, tries: int = 2) -> None:
        if tries < 1:
            raise ValueError(f"strategy.tries={tries}: at least 1")
        self._tries = tries
        self._broken: list[tuple[int, int]] = []  # failures to repair, and how many attempts are left for each

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        requests: list[Request] = []
        while self._broken and len(requests) < n:
            broken, left = self._broken.pop(0)
            if archive[broken].source is not None:
                requests.append(Request((broken,), note={"left": left - 1}))
        incumbent, last = archive.incumbent.iteration, archive.last.iteration
        feedback = (last,) if last != incumbent else ()
        requests += [Request((incumbent,), feedback) for _ in range(n - len(requests))]
        return requests

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        left = request.note.get("left", self._tries)
        if left and evaluation.outcome in _PROMISING:
            self._broken.append((request.id, left))
