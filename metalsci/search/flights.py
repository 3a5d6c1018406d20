"""The answers under way: begun in the order of asking, taken one at a time.

Several answers may be awaited at once. Their candidates are judged in the thread of the search, one after the other, so
that no two are timed at once.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from metalsci.search.journal import Asked
from metalsci.search.proposal import Job, Progress, Proposal
from metalsci.search.request import Request


@dataclass(frozen=True)
class Landed:
    """A job that has ended, with a proposal or an exception. seconds: how long it ran."""

    request: Request
    result: Proposal | BaseException
    seconds: float


class Flights(Protocol):
    """A schedule: how many answers may be awaited at once, and which of them is taken next."""

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
        result: Proposal | BaseException = job(progress)
    except BaseException as error:  # the search handles it; a thread that died in silence would be awaited
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


class SideBySide:
    """Up to `most` answers at once, each awaited by a thread of its own.

    in_order: take them in the order of asking, whichever arrives first. The requests of the search then depend on the
        answers alone and not on their timing, so that a run can be repeated; a slow answer holds up those after it.

    The threads are daemons: Ctrl-C ends the process without waiting for answers. Their pieces are on disk.
    """

    def __init__(self, most: int, *, in_order: bool) -> None:
        self.most = most
        self._in_order = in_order
        self._under_way: deque[int] = deque()
        self._arrived: queue.SimpleQueue[Landed] = queue.SimpleQueue()
        self._early: dict[int, Landed] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def start(self, request: Request, job: Job, progress: Progress) -> None:
        self._under_way.append(request.id)
        arrived = self._arrived
        thread = threading.Thread(
            target=lambda: arrived.put(run(request, job, progress)), name=f"request {request.id}", daemon=True
        )
        thread.start()

    def take(self) -> Landed:
        if not self._in_order:
            landed = self._arrived.get()
            self._under_way.remove(landed.request.id)
            return landed
        wanted = self._under_way.popleft()
        while wanted not in self._early:
            landed = self._arrived.get()
            self._early[landed.request.id] = landed
        return self._early.pop(wanted)


class AsRecorded:
    """The schedule of a recorded run again, in the thread of the search.

    It asks for as many requests at a time as the recorded run did, and takes them in the order in which their answers
    arrived. After the end of the recording it asks for one at a time.
    """

    def __init__(self, schedule: Iterable[Asked | int]) -> None:
        self._schedule = deque(schedule)
        self._waiting: dict[int, tuple[Request, Job, Progress]] = {}
        self._started = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def most(self) -> int:
        if not self._schedule:
            return max(1, len(self))
        following = self._schedule[0]
        if isinstance(following, Asked):
            return len(self) + following.wanted - self._started
        return len(self)

    def start(self, request: Request, job: Job, progress: Progress) -> None:
        self._waiting[request.id] = (request, job, progress)
        self._started += 1
        if self._schedule and isinstance(self._schedule[0], Asked):
            if self._started < len(self._schedule[0].requests):
                return
            self._schedule.popleft()
        self._started = 0

    def take(self) -> Landed:
        following = self._schedule.popleft() if self._schedule else next(iter(self._waiting))
        if not isinstance(following, int) or following not in self._waiting:
            following = next(iter(self._waiting))
        return run(*self._waiting.pop(following))
