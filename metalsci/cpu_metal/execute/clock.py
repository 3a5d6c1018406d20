"""The host's clock of a device process: processor time of its workers, read from outside.

A kernel cannot change it, and other load of the machine does not count: a worker that the system sets aside does not
age. Every worker has a fixed share of each dispatch (runtime/pool.c), so a run takes as long as the worker with the
most work, and a kernel that leaves workers idle pays for the busy one.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_WHOLE_PROCESS = 2  # CPUCLOCK_SCHED of Linux: all threads of a process together
_STALE = 2_000  # nanoseconds that the threads may lag behind their process
_SETTLE = 1e-3  # seconds that the last thread gets to fall asleep


@dataclass(frozen=True)
class RunTime:
    """Duration of one run.

    seconds: the slowest worker's processor time, if the system keeps account of it; else `wall`.
    wall: the host's wall clock from submission to completion.
    """

    seconds: float
    wall: float


class WorkerClock:
    """The processor time of each thread of a child process, without the first one, which runs Python and no kernel.

    Linux updates a thread's account when the thread stops running or at a tick, some milliseconds apart. The account of
    the whole process is exact at any time, so the two together tell whether every thread's is complete. Raises OSError
    if the system keeps no such accounts.
    """

    def __init__(self, process: int) -> None:
        self._process = ((~process) << 3) | _WHOLE_PROCESS
        self._accounts: list[int] = []
        try:
            threads = sorted(Path(f"/proc/{process}/task").iterdir(), key=lambda thread: thread.name != str(process))
            for thread in threads:
                self._accounts.append(os.open(thread / "schedstat", os.O_RDONLY | os.O_CLOEXEC))
            self.read()
        except BaseException:
            self.close()
            raise

    def read(self) -> Sequence[int]:
        """Return nanoseconds of every thread, the first one's first, and last the process's use beyond them.

        That is nothing once all threads rest. A process that starts a thread unseen cannot hide that thread's time.
        """
        give_up = time.perf_counter() + _SETTLE
        while True:
            threads = [int(os.pread(account, 64, 0).split()[0]) for account in self._accounts]
            beyond = time.clock_gettime_ns(self._process) - sum(threads)
            if beyond <= _STALE or time.perf_counter() > give_up:
                return (*threads, max(beyond, 0))

    def since(self, before: Sequence[int]) -> float:
        """Return seconds of the worker that used most since `before`, a reading."""
        used = [now - then for now, then in zip(self.read(), before, strict=True)]
        return 1e-9 * (max(used[1:-1]) + max(used[-1], 0))

    def close(self) -> None:
        for account in self._accounts:
            os.close(account)
        self._accounts = []


def worker_clock(process: int) -> WorkerClock | None:
    """Return the clock of a device process whose workers have all started; None if the system has none."""
    with suppress(OSError, ValueError, IndexError):
        return WorkerClock(process)
    return None
