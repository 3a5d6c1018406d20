"""The host's clock of a device process: processor time of its workers, read from outside.

A kernel cannot alter it, and what else the machine is doing does not count: a worker that the system sets aside does
not age. Every worker has a fixed share of each dispatch (runtime/pool.c), so a run takes as long as the worker that had
most to do, and a kernel that leaves workers idle pays for the one that is not.
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
    """How long one run took. `seconds` are the slowest worker's processor time, where the system keeps account of it;
    else they are `wall`, the host's wall clock from submission to completion."""

    seconds: float
    wall: float


class WorkerClock:
    """Processor time of each thread of a child process, its first one aside, which runs Python and no kernel.

    Linux brings a thread's account up to date when the thread stops running or at a tick, some milliseconds apart. The
    account of the whole process is exact at any time, so that the two together say whether every thread's is complete.
    Raises OSError where the system keeps no such accounts.
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
        """Nanoseconds of every thread, the first one's first, and last what the process used beyond them: nothing, once
        all threads rest. A process that starts a thread unseen cannot hide what that one uses.
        """
        give_up = time.perf_counter() + _SETTLE
        while True:
            threads = [int(os.pread(account, 64, 0).split()[0]) for account in self._accounts]
            beyond = time.clock_gettime_ns(self._process) - sum(threads)
            if beyond <= _STALE or time.perf_counter() > give_up:
                return (*threads, max(beyond, 0))

    def since(self, before: Sequence[int]) -> float:
        """Seconds of the worker that used most since `before`, a reading."""
        used = [now - then for now, then in zip(self.read(), before, strict=True)]
        return 1e-9 * (max(used[1:-1]) + max(used[-1], 0))

    def close(self) -> None:
        for account in self._accounts:
            os.close(account)
        self._accounts = []


def worker_clock(process: int) -> WorkerClock | None:
    """The clock of a device process whose workers have all started; None where the system has none."""
    with suppress(OSError, ValueError, IndexError):
        return WorkerClock(process)
    return None
