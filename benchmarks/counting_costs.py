"""Processor seconds that counting takes: `python benchmarks/counting_costs.py [TASK …] [--rounds N]`.

Each seed kernel and example is counted at its task's largest size. "counting" is what `device.profile` takes beyond a
plain run: of this process and of the device's, all threads, the least of the rounds; "compiling" is what the first
profile of a kernel takes more than the later ones, Clang included.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from processor_time import SETTLE, processor_seconds

from examples import load, sources
from metalsci.devices.ceilings import GivenCeilings
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.files.locations import data

ROUNDS = 5


@dataclass(frozen=True)
class Cost:
    """Processor seconds of one kernel at its task's largest size."""

    task: str
    kernel: str
    compiling: float
    counting: float


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that the work takes here and in the processes that this one has started."""
    before = processor_seconds()
    work()
    time.sleep(SETTLE)
    return processor_seconds() - before


def costs(task: str, rounds: int) -> Iterator[Cost]:
    problem = load(task)
    size = problem.sizes[-1]
    with_device = CpuDevice(threads=1, time_limit=600.0, ceilings=GivenCeilings(bandwidth=1.0, fp32=1.0))
    stage = with_device.stage(problem.task.trace(size, problem.task.inputs(size, np.random.default_rng(1))))
    for name, source in sources(task).items():
        new = f"{source}// {time.time_ns()}\n"  # which no cache has
        execution = stage.bind(with_device.compile(new, problem.task.signatures))
        execution.run()
        first = seconds(execution.profile)
        profile = min(seconds(execution.profile) for _ in range(rounds))
        run = min(seconds(execution.run) for _ in range(rounds))
        yield Cost(task, name, first - profile, profile - run)
    stage.close()
    with_device.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = sorted(path.stem for path in (data("conf") / "task").glob("*.yaml"))
    parser.add_argument("task", nargs="*", choices=[*everything, []], help="all of them by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    arguments = parser.parse_args()
    found: list[Cost] = []
    for task in arguments.task or everything:
        for cost in costs(task, arguments.rounds):
            found.append(cost)
            _say(f"{cost.task:10} {cost.kernel:5} compiling {cost.compiling:6.3f} s, counting {cost.counting:6.3f} s")
    _say(f"most: compiling {_most(found, 'compiling')}, counting {_most(found, 'counting')}")


def _most(found: Sequence[Cost], name: str) -> str:
    worst = max(found, key=lambda cost: float(getattr(cost, name)))
    return f"{getattr(worst, name):.2f} s ({worst.task} {worst.kernel})"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
