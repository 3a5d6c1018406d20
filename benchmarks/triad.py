"""saxpy against STREAM's triad in C with OpenMP, which moves as many bytes: the share of a machine's bandwidth."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from against_peers import OURS, SEED, least, load, staged
from peers import C_FOLDER

from metalsci.files.locations import data

TRIAD = "triad"
GOAL = 0.95  # of the triad's bandwidth, by the wall
_FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp")
# Each thread on a processor of its own, as our workers. One that spins for the others would be charged for it.
_ENVIRONMENT = {"OMP_PROC_BIND": "true", "OMP_WAIT_POLICY": "passive"}


@dataclass(frozen=True)
class Shares:
    """Our saxpy's speed as a share of the triad's, at one size, in processor time and by the wall."""

    size: str
    used: float
    wall: float


class Triad:
    """A process that runs the triad when told to."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self) -> tuple[float, float]:
        """Return the seconds of one run: by the wall, and of processor time."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        wall, used = self._process.stdout.readline().split()
        return float(wall), float(used)


@contextmanager
def started(elements: int, folder: Path) -> Iterator[Triad]:
    """Build and start the triad. Raises CalledProcessError or FileNotFoundError without a compiler that has OpenMP."""
    program = folder / TRIAD
    subprocess.run(["gcc", *_FLAGS, str(C_FOLDER / "triad.c"), "-o", str(program)], check=True)
    with subprocess.Popen(
        [str(program), str(elements)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | _ENVIRONMENT,
    ) as process:  # fmt: skip
        yield Triad(process)


def measured(rounds: int) -> Shares:
    """Run saxpy and the triad in turn, at the task's largest size."""
    problem = load("saxpy")
    size = max(problem.sizes, key=lambda each: int(each.N))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        triad = stack.enter_context(started(int(size.N), folder))
        _, _, ours = staged(stack, problem, size, data("tasks") / "saxpy" / SEED)
        used, wall = least({OURS: ours, TRIAD: triad.run}, rounds)
    return Shares(size.label, used[TRIAD] / used[OURS], wall[TRIAD] / wall[OURS])


def report(found: Shares) -> str:
    """Return a row of the native table."""
    return f"| saxpy, of STREAM's triad | {found.size} | {found.used:.2f} | {found.wall:.2f} | {GOAL:g} by wall |"
