"""Processor time of this process and of those that it has started, for measurements on a busy machine. Linux only."""

import resource
from pathlib import Path

import psutil

SETTLE = 0.001  # seconds after which a process's threads have gone to sleep and their time is counted


def processor_seconds() -> float:
    """Return the time of this process, of its children that have ended, and of those that run and theirs.

    Of those that run the system counts in ticks of 10 ms.
    """
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    total = sum(each.ru_utime + each.ru_stime for each in used)
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)


def running_seconds() -> float:
    """Return the time of all threads of the children that run, in nanoseconds' precision.

    `/proc/PID/task/*/schedstat` has a thread's time once it has stopped, or a few times a second: see SETTLE.
    """
    total = 0
    for pid in _children():
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return 1e-9 * total


def _children() -> list[int]:
    """List the processes that this one has started and that have not ended."""
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        found += map(int, (thread / "children").read_text().split())
    return found
