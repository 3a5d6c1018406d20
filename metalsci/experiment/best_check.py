"""The check that `python best.py` makes: its host loop and kernels on a small problem, against the reference."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
from omegaconf import OmegaConf

from metalsci.experiment.api import compose_config
from metalsci.experiment.instantiation import make
from metalsci.task.definition import Check, Probe
from metalsci.task.loader import Problem

# `run` of a best.py: inputs by name, extents as attributes, constants by name; the program's results.
Run = Callable[[Mapping[str, mx.array], SimpleNamespace, Mapping[str, float]], list[mx.array]]


def check_best(module: Path, task: str, run: Run) -> Check:
    """Run a small problem of the task by `run`, and compare with the reference.

    module: best.py's file. The config of its run is taken from next to it, else the repository's for the task.
    """
    problem = _problem(module.with_name("config.yaml"), task)
    small = _smallest(problem)
    physics = {**problem.task.physics, **small.physics}
    inputs = {name: mx.array(array) for name, array in small.inputs.items()}
    got = [np.array(result) for result in run(inputs, SimpleNamespace(**small.size.extents), physics)]
    own = problem.task.with_physics(physics)
    return own.check(small.size, got, own.reference(small.size, small.inputs))


def report(module: str, task: str, run: Run) -> int:
    """Print the result of the check; return the exit code."""
    check = check_best(Path(module), task, run)
    print(f"{task} on a small problem: {'right' if check.correct else 'WRONG'}, {check.detail}")  # noqa: T201
    if check.correct:
        return 0
    return 1


def _problem(recorded: Path, task: str) -> Problem:
    cfg: Any = OmegaConf.load(recorded) if recorded.is_file() else compose_config("evaluate", [f"task={task}"])
    problem: Problem = make(cfg, "task")
    return problem


def _smallest(problem: Problem) -> Probe:
    """Return a problem that the task draws for candidates, which are small, or else its own at the smallest size."""
    task, size, rng = problem.task, problem.sizes[0], np.random.default_rng(0)
    own = Probe("", size, task.inputs(size, rng))
    return next(iter(task.drawn(size, rng)), own)
