"""The processors that each worker of a device process may run on: no two workers of one device share any.

Left to itself, Linux often wakes a worker on the processor of the thread that wakes it, next to another worker, and
leaves both there for as long as a command buffer takes. Then two workers take turns on one of two processors, and
everything takes twice as long by the wall: on a quiet machine that was half of all short runs.

On a machine without an idle processor, workers are left to Linux: apart they would wait for one another's turn, run by
run up to three times as long by the wall, and what goes over from one core to another would cost others' time.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_SYSTEM = Path("/sys/devices/system/cpu")
_LOAD = Path("/proc/loadavg")
PATIENCE = 50_000
"""Nanoseconds that a worker looks out for work: twice the processor time that it takes to fall asleep and be woken."""
SHORT_PATIENCE = 4_000
"""The same where workers may happen to be on one processor."""


def divide(processors: Sequence[int], workers: int) -> list[set[int]]:
    """Return the processors of each worker: those that are next to each other in `processors` together.

    With more workers than processors each has one, dealt out in turn. One worker has all of them.
    """
    count = len(processors)
    if workers > count:
        return [{processors[worker % count]} for worker in range(workers)]
    return [set(processors[count * worker // workers : count * (worker + 1) // workers]) for worker in range(workers)]


def by_core(processors: Iterable[int]) -> list[int]:
    """Sort processors so that those of one package, and in it those of one core, are next to each other."""
    return sorted(processors, key=lambda each: (*(_topology(each, what) for what in ("package", "core")), each))


def count_running() -> int:
    """Count the threads of all the machine that run or could run, without the calling one. Raises OSError."""
    return int(_LOAD.read_text(encoding="ascii").split()[3].partition("/")[0]) - 1


class Placement:
    """Processors of a device process's workers, which are the threads that it started last.

    Raises OSError if the system does not say which there are. Where it refuses, threads run wherever they may.
    """

    def __init__(self, process: int, workers: int) -> None:
        self._workers = workers
        self._everywhere = os.sched_getaffinity(process)
        # Linux lists threads in the order in which they were started.
        self._threads = [int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()][-workers:]
        self._places = divide(by_core(self._everywhere), workers)
        self._are_apart = False

    def choose(self) -> int:
        """Place the workers for the next run. Return the nanoseconds that those without work are to look out for it.

        0 if they have to share processors: they would keep those off that have something to do.
        """
        if self._workers == 1:
            return 0  # nobody to wait for
        with suppress(OSError):
            apart = self._has_room()
            if apart != self._are_apart:
                for thread, processors in zip(self._threads, self._places, strict=False):
                    os.sched_setaffinity(thread, processors if apart else self._everywhere)
                self._are_apart = apart
        if self._workers > len(self._everywhere):
            return 0
        return PATIENCE if self._are_apart else SHORT_PATIENCE

    def _has_room(self) -> bool:
        """Return True if a processor is idle; once none was, if half of them are."""
        running, processors = count_running(), os.cpu_count() or 1
        if self._are_apart:
            return running < processors
        return 2 * running <= processors


def placement_of(process: int, workers: int) -> Placement | None:
    """Return the placement of a device process whose workers have all started; None if the system has no say in it."""
    with suppress(OSError):
        return Placement(process, workers)
    return None


def _topology(processor: int, what: str) -> int:
    names = {"package": "physical_package_id", "core": "core_id"}
    try:
        return int((_SYSTEM / f"cpu{processor}" / "topology" / names[what]).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
