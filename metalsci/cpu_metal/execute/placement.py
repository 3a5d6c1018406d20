"""The processors that each worker of a device process may run on: no two workers of one device share any.

Left to itself, Linux often wakes a worker on the processor of the thread that wakes it, next to another worker, and
leaves both there for as long as a command buffer takes. Then two workers take turns on one of two processors, and
everything takes twice as long by the wall: on a quiet machine that was half of all short runs.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_SYSTEM = Path("/sys/devices/system/cpu")


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


def place(process: int, workers: int) -> None:
    """Give each worker of a device process its processors. The workers are the threads that it started last.

    Where the system refuses, threads run wherever they may.
    """
    if workers == 1:
        return
    with suppress(OSError):
        # Linux lists threads in the order in which they were started.
        threads = [int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()]
        places = divide(by_core(os.sched_getaffinity(process)), workers)
        for thread, processors in zip(threads[-workers:], places, strict=True):
            os.sched_setaffinity(thread, processors)


def _topology(processor: int, what: str) -> int:
    names = {"package": "physical_package_id", "core": "core_id"}
    try:
        return int((_SYSTEM / f"cpu{processor}" / "topology" / names[what]).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
