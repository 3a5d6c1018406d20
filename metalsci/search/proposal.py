"""The writer of kernels as a search knows it: two functions between a request and a candidate."""

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
    """The answer to a request.

    source: the candidate; None if the answer holds none, and `failure` then gives the reason.
    text: the whole answer, in which the source may stand. seconds: how long the model took.
    others: further candidates of the same answer; the best of all is kept.
    unit: the parsed source if there is one, so that it need not be parsed again.
    """

    source: str | None
    failure: Evaluation | None = None
    text: str | None = None
    reply: Reply | None = None
    seconds: float = 0.0
    unit: Unit | None = None
    others: tuple[Unit, ...] = ()


Job = Callable[[Progress], Proposal]
"""Waits for an answer; may run beside others. Raises BudgetEnded, or as the model does."""


class Propose(Protocol):
    """A maker of jobs from requests. It is called when the request is made, so the job sees the archive of that moment.

    A synthetic landscape needs no more than this:

        def propose(request, archive, heard):
            child = mutate(archive[request.parents[0]].source, request.id)
            return lambda progress: Proposal(child)
    """

    def __call__(self, request: Request, archive: Archive, heard: Sequence[Answered]) -> Job:
        """Make the job of a request. heard: the parts of the answer that a killed process had recorded."""


class BudgetEnded(Exception):  # noqa: N818  (the regular end of a search, not an error)
    """The next call is not made. `limit` names the limit that forbids it."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit
