"""One size of one task, staged on a device: verify and time any candidate on it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metalsci.devices.program import Array, Program
from metalsci.devices.protocol import Device, Elapsed, Execution, Module, Stage
from metalsci.evaluation.results import Invariant, Outcome, Roofline, SizeResult, Timing
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.task.comparison import Tolerance, judge
from metalsci.task.definition import Check, Probe, Size, Task
from metalsci.task.references import References

_SAME = Tolerance(relative=1e-6)  # a device may flush denormals, even where it copies


@dataclass(frozen=True)
class _Trial:
    """A problem that a candidate must solve, on the device and with what is right on this side of it."""

    problem: Probe
    want: Sequence[Array]
    stage: Stage


class Attempt:
    """A module bound to every problem of a bench. As an execution it is that of the problem that is timed."""

    def __init__(self, executions: Sequence[Execution]) -> None:
        self.executions = executions

    def run(self) -> Elapsed:
        return self.executions[-1].run()

    def launch_cost(self) -> Elapsed:
        return self.executions[-1].launch_cost()


class Bench:
    """Holds the inputs on the device and the expected results on this side of it.

    rng: draws the inputs. The same generator state gives exactly the same problem.
    """

    def __init__(
        self,
        task: Task,
        size: Size,
        device: Device,
        rng: np.random.Generator,
        stopwatch: Stopwatch,
        references: References | None = None,
    ) -> None:
        self.task = task
        self.size = size
        self._watch = stopwatch
        self._device = device
        self._references = references or References()
        before = str(rng.bit_generator.state)
        with stopwatch.phase("reference"):
            timed = Probe("", size, task.inputs(size, rng))
            self._work = task.work(size, timed.inputs)
        # Inputs for which nothing was drawn are those of every run, and so is their reference.
        draw = before if str(rng.bit_generator.state) != before else "nothing drawn"
        self._ceiling = self._work.bound.ceiling(device.ceilings)
        # Probes first: a wrong candidate fails sooner there, and says more.
        self._trials = [*self._stage(task.probes(size, rng), before), *self._stage([timed], draw)]
        self._invariants = task.invariants(size, timed.inputs, self._trials[-1].want)

    def bind(self, module: Module) -> Attempt:
        return Attempt([trial.stage.bind(module) for trial in self._trials])

    def programs(self) -> dict[str, Program]:
        """Each problem's program by the problem's name, which is empty for the one that is timed, the last."""
        return {t.problem.name: self.task.trace(t.problem.size, t.problem.inputs) for t in self._trials}

    def verify(self, attempt: Attempt) -> SizeResult:
        """One run of every problem over poisoned outputs, compared with the reference. Raises CANDIDATE_FAULTS."""
        for trial, execution in zip(self._trials, attempt.executions, strict=True):
            with self._watch.phase("verification"):
                trial.stage.poison()
            self.once(execution)
            result = self._judge(trial)
            if not result.outcome.correct:
                return result
        with self._watch.phase("verification"):
            return replace(result, invariants=self._conserved())

    def compare(self) -> SizeResult:
        """The outputs of the last timed run against the reference: a kernel must not be right only at first."""
        return self._judge(self._trials[-1])

    def once(self, execution: Execution) -> Elapsed:
        """How long one run takes."""
        with self._watch.phase("kernels"):
            return execution.run()

    def roofline(self, timing: Timing) -> Roofline:
        return Roofline(self._work.amount * 1e-9 / timing.median, self._ceiling, self._work.bound.unit)

    def close(self) -> None:
        for trial in self._trials:
            trial.stage.close()

    def _stage(self, problems: Iterable[Probe], draw: str) -> Iterator[_Trial]:
        for problem in problems:
            with self._watch.phase("reference"):
                want = self._references.get(self.task, problem.size, f"{draw} {problem.name}", problem.inputs)
            with self._watch.phase("staging"):
                stage = self._device.stage(self.task.trace(problem.size, problem.inputs))
            yield _Trial(problem, want, stage)

    def _judge(self, trial: _Trial) -> SizeResult:
        with self._watch.phase("verification"):
            got = trial.stage.outputs()
            check = self.task.check(trial.problem.size, got, trial.want)
            error = check.error if math.isfinite(check.error) else None
            if check.correct:
                return SizeResult(self.size.label, Outcome.SCORED, check.detail, error)
            return SizeResult(self.size.label, Outcome.WRONG, self._explain(trial, check, got), error)

    def _explain(self, trial: _Trial, check: Check, got: Sequence[Array]) -> str:
        """The check's findings, with which problem they are of and what else would have given these outputs."""
        problem = trial.problem
        text = check.detail
        for name, array in problem.inputs.items():
            if any(g.shape == array.shape and judge(g, array, _SAME)[0] <= 1.0 for g in got):
                return f"{text}. The output is the input {name}, unchanged"
        if not problem.name:
            return text
        if "steps" in problem.size.extents:
            for steps, how in ((problem.size.steps - 1, "one step fewer"), (problem.size.steps + 1, "one step more")):
                other = problem.size.replace(steps=steps)
                if self.task.check(other, got, self.task.reference(other, problem.inputs)).correct:
                    text = f"{text}. It is right after {how}"
        return f"with inputs of the kind '{problem.name}'{_after(problem.size)}: {text}"

    def _conserved(self) -> tuple[Invariant, ...]:
        trial = self._trials[-1]
        got = self.task.invariants(self.size, trial.problem.inputs, trial.stage.outputs())
        return tuple(Invariant(name, got[name], want) for name, want in self._invariants.items())


def _after(size: Size) -> str:
    return f" after {size.steps} step{'s' * (size.steps != 1)}" if "steps" in size.extents else ""
