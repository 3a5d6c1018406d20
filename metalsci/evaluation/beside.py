"""Work next to an evaluation's own, for a processor that would idle. None of it is left when runs are timed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self, TypeVar

Job = Callable[[], object]
Result = TypeVar("Result")


class Beside:
    """Jobs that begin at once, each in a thread. A context manager, which they do not outlive.

    A job does ahead what is done again if it is missing, so what it raises is lost.
    """

    def __init__(self, *jobs: Job) -> None:
        self._pool = ThreadPoolExecutor(len(jobs) + 1)
        self._under_way: list[Future[Any]] = [self._pool.submit(job) for job in jobs]

    def begin(self, job: Callable[[], Result]) -> "Future[Result]":
        """Begin a job whose result is asked for."""
        future = self._pool.submit(job)
        self._under_way.append(future)
        return future

    def wait(self) -> None:
        """Wait until all jobs have ended."""
        wait(self._under_way)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
