"""A problem that a candidate must solve, and what its wrong outputs say of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from metalsci.devices.program import Array, Program
from metalsci.devices.protocol import Stage
from metalsci.task.comparison import Tolerance, judge
from metalsci.task.definition import Check, Probe, Size, Task

_SAME = Tolerance(relative=1e-6)  # a device may flush denormals, even where it copies


@dataclass(frozen=True)
class Trial:
    """A problem that a candidate must solve: staged on the device, with the expected results on this side of it.

    `task` has the problem's own physics.
    """

    task: Task
    problem: Probe
    want: Sequence[Array]
    stage: Stage

    @cached_property
    def program(self) -> Program:
        return self.task.trace(self.problem.size, self.problem.inputs)


def _guesses(trial: Trial, got: Sequence[Array]) -> Iterable[str]:
    """Yield causes that would have given these outputs."""
    problem = trial.problem
    for name, array in problem.inputs.items():
        if any(g.shape == array.shape and judge(g, array, _SAME) <= 1.0 for g in got):
            yield f"The output is the input {name}, unchanged"
            return
    if problem.name:
        yield from _other_steps(trial, got)


def _other_steps(trial: Trial, got: Sequence[Array]) -> Iterator[str]:
    problem = trial.problem
    if "steps" not in problem.size.extents:
        return
    for steps, how in ((problem.size.steps - 1, "one step fewer"), (problem.size.steps + 1, "one step more")):
        other = problem.size.replace(steps=steps)
        want = trial.task.reference(other, {name: array.copy() for name, array in problem.inputs.items()})
        # a result after each step is no guess
        if len(want) == len(trial.want) and trial.task.check(other, got, want).correct:
            yield f"It is right after {how}"


def told(problem: Probe, what: str) -> str:
    """Describe the fault and its problem: kind, and size and physics if they differ from the timed one's."""
    if not problem.name:
        return what
    size = problem.size
    own = ", ".join(f"{name}={value:.6g}" for name, value in {**_extents(size), **problem.physics}.items())
    after = f" after {size.steps} step{'s' * (size.steps != 1)}" if "steps" in size.extents else ""
    return f"with inputs of the kind '{problem.name}' ({own}){after}: {what}"


def _extents(size: Size) -> dict[str, float]:
    return {name: value for name, value in size.extents.items() if name != "steps"}


def explain(trial: Trial, verdict: Check, got: Sequence[Array]) -> str:
    """Explain a check's findings: to which problem they belong, and what else would have given these outputs."""
    return told(trial.problem, ". ".join([verdict.detail, *_guesses(trial, got)]))
