"""Costs of integrity: `python benchmarks/safeguards.py [task=lbm,saxpy]`. A table of all tasks.

Each task's seed kernel and its example for the software device are evaluated unchecked (one comparison a size, nothing
else) and with everything that a search does: poison before each run, looks at drawn turns, guards, probes, drawn
problems, the sanitizer on small problems and, as for a candidate that may win, on a sample of every size. Each
evaluation compiles its kernel, as that of a new candidate does; references of drawn problems count, those of sizes,
which are computed once a search, do not.

Processor time of this process and its device processes, so that it may be measured on a busy machine.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from processor_time import processor_seconds
from rich.console import Console
from rich.table import Table

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.safeguards import ALL, Safeguard
from metalsci.evaluation.sanitizer_policy import Sanitized
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.experiment.hydra_versions import base
from metalsci.experiment.schemas import register
from metalsci.files.locations import data

NONE: frozenset[Safeguard] = frozenset()
CEILINGS = ("device.ceilings.bandwidth=50", "device.ceilings.fp32=200")  # whose measurement is no part of this
MOST = 0.35  # what it may cost over all tasks, by issue 11


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time of one evaluation: unchecked, with the checks, and with the sanitizer as well."""

    task: str
    unchecked: float
    checked: float
    sanitized: float


def sources(task: str) -> Iterator[str]:
    home = data("tasks") / task
    yield (home / "seed.metal").read_text(encoding="utf-8")
    yield (home / "examples" / "fast.metal").read_text(encoding="utf-8")


def cost(task: str) -> Cost:
    with initialize_config_dir(str(data("conf")), **base()):
        cfg = compose("config", overrides=[f"task={task}", "device=cpu", *CEILINGS])
    problem, device, sanitizer = instantiate(cfg.task), instantiate(cfg.device), CpuSanitizer()
    found: list[list[float]] = [[], [], []]
    try:
        for column, checks in enumerate((NONE, ALL, ALL)):
            with Evaluator(problem.task, problem.sizes, device, 0, Repeats(), Stopwatch(), checks) as evaluator:
                evaluator.benches  # noqa: B018  (staged once a search)
                judge = Sanitized(evaluator, sanitizer) if column == 2 else evaluator
                for source in sources(task):
                    begin = processor_seconds()
                    evaluation = judge.evaluate(f"{source}// {time.time_ns()}\n")  # new to the cache of kernels
                    found[column].append(processor_seconds() - begin)
                    assert evaluation.outcome.correct, evaluation
    finally:
        sanitizer.close()
        device.close()
    return Cost(task, *map(statistics.fmean, found))


def main() -> None:
    register()
    named = next((a.partition("=")[2].split(",") for a in sys.argv[1:] if a.startswith("task=")), None)
    tasks = named or sorted(path.name for path in data("tasks").iterdir() if (path / "task.py").is_file())
    table = Table("task", "unchecked s", "with checks", "and sanitizer")
    total = [0.0, 0.0, 0.0]
    for task in tasks:
        each = cost(task)
        row = (each.unchecked, each.checked, each.sanitized)
        total = [a + b for a, b in zip(total, row, strict=True)]
        table.add_row(task, f"{row[0]:.2f}", *(f"{100 * (value / row[0] - 1):+.0f} %" for value in row[1:]))
        sys.stderr.write(f"{task} {row}\n")
    table.add_row("all", f"{total[0]:.2f}", *(f"{100 * (value / total[0] - 1):+.0f} %" for value in total[1:]))
    Console().print(table)
    sys.exit(0 if total[2] <= (1 + MOST) * total[0] else 1)


if __name__ == "__main__":
    main()
