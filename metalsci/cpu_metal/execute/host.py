"""The device's needs of the operating system: shared memory by descriptor, process limits, processors. Linux."""

import math
import os
import platform
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MOST_WORKERS = 255
"""Limit of one device process: MAX_WORKERS of runtime/pool.c, less the place of its first thread."""


@dataclass(frozen=True)
class Limits:
    """Limits of one compiler process: bytes of address space and of a written file."""

    memory: int = 4 << 30
    file_size: int = 64 << 20

    def apply(self, process: int, seconds: float) -> None:
        """Apply the limits to a child that has just been started, and one of processor time."""
        limit(
            process,
            {
                resource.RLIMIT_CPU: max(1, math.ceil(seconds)),
                resource.RLIMIT_AS: self.memory,
                resource.RLIMIT_FSIZE: self.file_size,
                resource.RLIMIT_CORE: 0,
            },
        )


def limit(process: int, limits: Mapping[int, int]) -> None:
    """Lower limits of a child, by their numbers in `resource`. Lower ones stay: only root may raise them."""
    for what, most in limits.items():
        _, now = resource.prlimit(process, what)
        if now == resource.RLIM_INFINITY:
            least = most
        else:
            least = min(most, now)
        resource.prlimit(process, what, (least, least))


def processors() -> int:
    """Count the processors that this process may use, as far as the device has places for workers (runtime/pool.c)."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def shared_memory(name: str, size: int) -> int:
    """Create zeroed memory that another process can map. Return its descriptor."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    return descriptor


@contextmanager
def shared_with(descriptor: int, *, writable: bool) -> Iterator[int]:
    """Yield a descriptor of shared memory for another process: of what it may not write to, one that cannot."""
    if writable:
        yield descriptor
        return
    try:
        only_read = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a system without /proc: the mapping alone must do
        yield descriptor
        return
    try:
        yield only_read
    finally:
        os.close(only_read)


def target() -> str:
    """Return Clang's name of this machine."""
    return f"{platform.machine()}-linux-gnu"


def processor() -> str:
    """Identify this processor for a compiler: model and features."""
    lines = [
        line.partition(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    facts = {key.strip(): value.strip() for key, _, value in lines}
    return " ".join(facts.get(key, "") for key in ("model name", "flags", "CPU part", "Features"))
