"""Memory of a whole run beyond its buffers: `python benchmarks/peak_memory.py [TASK …]`. Linux only.

`python -m metalsci.run task=…` runs with its usual budget, cut to a few candidates. Every 20 ms the proportional share
of memory (PSS) of each process of its tree is read; buffers are the shared memory that the device makes for them, which
is counted apart. What processes share is counted once. The peak of each part may be at another time.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

GOAL = 300.0  # MiB, by issue 12
TASKS = ("saxpy", "lbm", "fft3d")
CANDIDATES = 3
_PAUSE = 0.02  # seconds
_BUFFERS = re.compile(r"/memfd:|/dev/shm/")
_MAPPING = re.compile(r"(?m)^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)\n((?:\w+: .*\n)*)")
_PSS = re.compile(r"(?m)^Pss: +(\d+) kB")


@dataclass(frozen=True)
class PeakMemory:
    """MiB at the moment at which most is held beyond buffers: by the command itself, and by its other processes.

    buffers: shared memory at that moment.
    """

    task: str
    command: float
    others: float
    buffers: float

    @property
    def beyond(self) -> float:
        return self.command + self.others


def measured(tasks: Sequence[str]) -> Iterator[PeakMemory]:
    for task in tasks:
        with tempfile.TemporaryDirectory() as folder:
            arguments = [f"task={task}", f"budget.iterations={CANDIDATES}", "tracker=none"]
            command = [sys.executable, "-m", "metalsci.run", *arguments]
            run = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peak = PeakMemory(task, 0.0, 0.0, 0.0)
            while run.poll() is None:
                peak = max(peak, _now(task, run.pid), key=lambda each: each.beyond)
                time.sleep(_PAUSE)
            if run.returncode:
                raise RuntimeError(f"{' '.join(command)}: status {run.returncode}")
            yield peak


def _now(task: str, pid: int) -> PeakMemory:
    own, buffers = _held(pid)
    others = 0.0
    for child in _children(pid):
        held, shared = _held(child)
        others += held
        buffers += shared
    return PeakMemory(task, own, others, buffers)


def _children(pid: int) -> Iterator[int]:
    """Yield the processes below one that have begun a program of their own: until then their memory is its own."""
    with suppress(psutil.NoSuchProcess):
        command = psutil.Process(pid)
        program = command.cmdline()
        for child in command.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.cmdline() != program:
                    yield child.pid


def _held(pid: int) -> tuple[float, float]:
    """Return the MiB of a process without buffers, and of buffers; nothing of one that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0.0, 0.0
    held, buffers = 0, 0
    for name, facts in _MAPPING.findall(text):
        pss = sum(map(int, _PSS.findall(facts)))
        if _BUFFERS.search(name):
            buffers += pss
        else:
            held += pss
    return held / 1024, buffers / 1024


def report(found: Sequence[PeakMemory]) -> Iterator[str]:
    yield "| task | beyond buffers, MiB | of the command | of device, sanitizer and compiler | buffers then | goal |"
    yield "|---|---|---|---|---|---|"
    for each in found:
        parts = " | ".join(f"{value:.0f}" for value in (each.beyond, each.command, each.others, each.buffers))
        yield f"| {each.task} | {parts} | {GOAL:g} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="*", help=f"{', '.join(TASKS)} by default")
    arguments = parser.parse_args()
    sys.stdout.write("\n".join(report(list(measured(arguments.task or TASKS)))) + "\n")


if __name__ == "__main__":
    main()
