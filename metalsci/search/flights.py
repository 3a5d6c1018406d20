"""The answers under way: begun in the order of asking, taken one at a time."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from metalsci.search.proposal import Job, Progress, Proposal
from metalsci.search.request import Request


@dataclass(frozen=True)
class Landed:
    """A job that has ended, with a proposal or an exception. seconds: how long it ran."""

    request: Request
    result: Proposal | Exception
    seconds: float


class Flights(Protocol):
    """How many answers may be awaited at once, and which of them is taken next."""

    @property
    def most(self) -> int: ...

    def __len__(self) -> int:
        """Count the jobs that were started and not taken."""

    def start(self, request: Request, job: Job, progress: Progress) -> None: ...

    def take(self) -> Landed:
        """Wait for the next job to end. There is at least one."""


def run(request: Request, job: Job, progress: Progress) -> Landed:
    begin = time.perf_counter()
    try:
        result: Proposal | Exception = job(progress)
    except Exception as error:  # the search decides what it means, after the other answers have landed
        result = error
    return Landed(request, result, time.perf_counter() - begin)


class InTurn:
    """One answer at a time, in the thread of the search."""

    most = 1

    def __init__(self) -> None:
        self._waiting: deque[tuple[Request, Job, Progress]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, request: Request, job: Job, progress: Progress) -> None:
        self._waiting.append((request, job, progress))

    def take(self) -> Landed:
        return run(*self._waiting.popleft())
