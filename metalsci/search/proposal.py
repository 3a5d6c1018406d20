"""What a search knows of whoever writes kernels: two functions between a request and a candidate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from metalsci.evaluation.results import Evaluation
from metalsci.models.protocol import Reply
from metalsci.models.record import Answered
from metalsci.msl.language.parse import Unit
from metalsci.search.archive import Archive
from metalsci.search.request import Request

Progress = Callable[[str], None]
Evaluate = Callable[[str | Unit, Progress], Evaluation]
"""Judges a source, or what was parsed of it. Never raises for what a candidate does."""


@dataclass(frozen=True)
class Proposal:
    """What came of a request.

    source: the candidate; None if the answer holds none, and `failure` then says why.
    text: the whole answer, in which the source may stand. seconds: how long the model took.
    unit: what was parsed of the source, if it was, so that it need not be parsed again.
    """

    source: str | None
    failure: Evaluation | None = None
    text: str | None = None
    reply: Reply | None = None
    seconds: float = 0.0
    unit: Unit | None = None


Job = Callable[[Progress], Proposal]
"""Waits for an answer; may run beside others. Raises BudgetEnded, or as the model does."""


class Propose(Protocol):
    """Makes the job of a request. Called at the moment of asking, so that the job holds the archive as it was then.

    A synthetic landscape needs no more than this:

        def propose(request, archive, heard):
            child = mutate(archive[request.parents[0]].source, request.id)
            return lambda progress: Proposal(child)
    """

    def __call__(self, request: Request, archive: Archive, heard: Sequence[Answered]) -> Job:
        """heard: the parts of the answer that a killed process had recorded."""


class BudgetEnded(Exception):  # noqa: N818  (the regular end of a search, not an error)
    """The next call is not made. `limit` names what ended."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit
