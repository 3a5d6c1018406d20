"""Work next to an evaluation's own, for a processor that would idle. None of it is left when runs are timed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

Job = Callable[[], object]


class Beside:
    """Jobs that begin at once, each in a thread. A context manager, which they do not outlive.

    A job does ahead what is done again if it is missing, so what it raises is lost.
    """

    def __init__(self, *jobs: Job) -> None:
        self._pool = ThreadPoolExecutor(max(1, len(jobs)))
        self._under_way = [self._pool.submit(job) for job in jobs]

    def wait(self) -> None:
        """Wait until all jobs have ended."""
        wait(self._under_way)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
