"""The speed of the hand-written examples: `python benchmarks/examples.py [TASK …] [--rounds N]`.

Seed kernel, `examples/fast.metal` and `examples/gpu.metal` of each task run in turn on the software device, at every
size, the held-out one included. A time is processor time of the device process, all its threads, read from outside
(`/proc/PID/task/*/schedstat`, so Linux only): on a busy machine a wall clock shows the machine. Of each kernel the
least of the rounds is kept. Results are compared with the reference before anything is timed.
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from processor_time import SETTLE, running_seconds
from rich.console import Console
from rich.table import Table

from metalsci.devices.ceilings import GivenCeilings
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.protocol import Execution
from metalsci.experiment.schemas import register
from metalsci.files.locations import data
from metalsci.task.definition import Size, Task
from metalsci.task.loader import Problem

SEED, FAST, GPU = "seed", "fast", "gpu"
ROUNDS = 7
ENOUGH = 0.02  # seconds of a sample: the system counts a running thread's time when it stops, or a few times a second


def sources(task: str) -> dict[str, str]:
    """Return the kernels of a task by name."""
    folder = data("tasks") / task
    files = {SEED: "seed.metal", FAST: "examples/fast.metal", GPU: "examples/gpu.metal"}
    return {name: (folder / file).read_text() for name, file in files.items()}


def load(task: str) -> Problem:
    register()
    with initialize_config_dir(str(data("conf")), version_base="1.3"):
        problem: Problem = instantiate(compose("config", overrides=[f"task={task}"]).task)
    return problem


def sample(execution: Execution, runs: int) -> float:
    """Return processor seconds of one run, the mean of `runs`."""
    before = running_seconds()
    for _ in range(runs):
        execution.run()
    time.sleep(SETTLE)
    return (running_seconds() - before) / runs


def least(executions: Mapping[str, Execution], rounds: int) -> dict[str, float]:
    """Return the least processor seconds of each kernel over the rounds; in each round all of them run in turn."""
    runs: dict[str, int] = {}
    for name, execution in executions.items():
        once = max(sample(execution, 1), 1e-5)
        runs[name] = max(1, round(ENOUGH / once))
    best = dict.fromkeys(executions, np.inf)
    for turn in range(rounds):
        order = list(executions) if turn % 2 == 0 else list(executions)[::-1]
        for name in order:
            best[name] = min(best[name], sample(executions[name], runs[name]))
    return best


@dataclass(frozen=True)
class Row:
    """Milliseconds of one run of each kernel at one size."""

    task: str
    size: str
    heldout: bool
    milliseconds: Mapping[str, float]

    def ratio(self, name: str) -> float:
        """Return how many times faster it is than the seed kernel."""
        return self.milliseconds[SEED] / self.milliseconds[name]


class WrongResult(Exception):  # noqa: N818  it is no error of this program
    """A kernel that is not right at some size."""


def measure(task: Task, size: Size, device: CpuDevice, kernels: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Return milliseconds by kernel. Raises WrongResult."""
    rng = np.random.default_rng(1)
    inputs = task.inputs(size, rng)
    stage = device.stage(task.trace(size, inputs))
    want = task.reference(size, inputs)
    executions = {}
    for name, source in kernels.items():
        executions[name] = stage.bind(device.compile(source, task.signatures))
        stage.poison()
        executions[name].run()
        check = task.check(size, stage.outputs(), want)
        if not check.correct:
            raise WrongResult(f"{task.name}: {name} at {size.label}: {check.detail}")
    seconds = least(executions, rounds)
    stage.close()
    return {name: 1e3 * value for name, value in seconds.items()}


def rows(names: Sequence[str], rounds: int) -> Iterator[Row]:
    ceilings = GivenCeilings(bandwidth=1.0, fp32=1.0)  # not used: times are compared with each other
    for name in names:
        problem = load(name)
        kernels = sources(name)
        device = CpuDevice(time_limit=600.0, ceilings=ceilings)
        for size in (*problem.sizes, problem.heldout):
            milliseconds = measure(problem.task, size, device, kernels, rounds)
            yield Row(name, size.label, size is problem.heldout, milliseconds)
        device.close()


def table(found: Sequence[Row]) -> Table:
    made = Table(title="milliseconds of processor time, and times faster than the seed kernel", title_justify="left")
    made.add_column("task", no_wrap=True)
    made.add_column("size", no_wrap=True)
    for column in (SEED, FAST, "ratio", GPU, "ratio"):
        made.add_column(column, justify="right")
    for row in found:
        seed, fast, gpu = (f"{row.milliseconds[name]:.3g}" for name in (SEED, FAST, GPU))
        made.add_row(
            row.task,
            row.size + (" *" if row.heldout else ""),
            seed,
            fast,
            f"{row.ratio(FAST):.2f}×",
            gpu,
            f"{row.ratio(GPU):.2f}×",
            end_section=row.heldout,
        )
    for task in dict.fromkeys(row.task for row in found):
        mine = [row for row in found if row.task == task and not row.heldout]
        fast, gpu = (f"{geometric_mean(row.ratio(name) for row in mine):.2f}×" for name in (FAST, GPU))
        made.add_row(task, "in distribution", "", "", fast, "", gpu)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = sorted(path.stem for path in (data("conf") / "task").glob("*.yaml"))
    parser.add_argument("task", nargs="*", choices=[*everything, []], help="all of them by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    arguments = parser.parse_args()
    console = Console()
    found = []
    for row in rows(arguments.task or everything, arguments.rounds):
        found.append(row)
        console.print(f"{row.task} {row.size}: " + ", ".join(f"{k} {v:.3g} ms" for k, v in row.milliseconds.items()))
    console.print(table(found))
    console.print(f"* held out; {os.cpu_count()} processors, least of {arguments.rounds} rounds", style="dim")


if __name__ == "__main__":
    main()
