"""One size of one task, staged on a device: verify and time any candidate on it."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from metalsci.devices.buffer_plan import lay_out
from metalsci.devices.program import Array, Program
from metalsci.devices.protocol import Device, Elapsed, Execution, Holding, Module, Splitting
from metalsci.evaluation.floors import below_launch, beyond_the_machine, launch_floor
from metalsci.evaluation.results import Invariant, Outcome, Roofline, SizeResult, Timing
from metalsci.evaluation.safeguards import ALL, Safeguard
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.evaluation.trial import Trial, explain, told
from metalsci.evaluation.vigil import Vigil
from metalsci.files.disk_arrays import let_go
from metalsci.task.definition import Probe, Size, Task, Work
from metalsci.task.references import References


class Attempt:
    """A module bound to every problem of a bench. As an execution it is that of the timed problem.

    verified_seconds: of the verified run of the timed problem.
    """

    def __init__(self, module: Module, executions: Sequence[Execution], vigil: Vigil) -> None:
        self.module = module
        self.executions = executions
        self.vigil = vigil
        self.verified_seconds = 0.0

    @property
    def timed(self) -> Execution:
        return self.executions[-1]

    def run(self) -> Elapsed:
        return self.timed.run()

    def launch(self) -> float:
        """Measure the seconds that as many calls of an empty kernel take."""
        return self.timed.launch_cost().seconds

    def kernel_shares(self) -> Mapping[str, float]:
        """Return the share of the time of each kernel, the largest first; nothing for one kernel, or unknown."""
        execution = self.executions[-1]
        seconds = execution.kernel_seconds() if isinstance(execution, Splitting) else {}
        total = sum(seconds.values())
        if len(seconds) < 2 or not total:
            return {}
        return {name: each / total for name, each in sorted(seconds.items(), key=lambda item: -item[1])}


@dataclass(frozen=True)
class Drawn:
    """Problems that were drawn for a candidate, with its executions. A context manager: it holds their stages."""

    trials: Sequence[tuple[Trial, Execution]]
    stages: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stages.close()


class Bench:
    """Inputs on the device, and the expected results on this side of it.

    rng: draws the inputs. The same generator state gives exactly the same problem.
    fresh: a new generator for problems that are drawn for one candidate alone, after it was compiled.
    """

    def __init__(
        self,
        task: Task,
        size: Size,
        device: Device,
        rng: np.random.Generator,
        stopwatch: Stopwatch,
        references: References | None = None,
        checks: frozenset[Safeguard] = ALL,
        fresh: Callable[[], np.random.Generator] = np.random.default_rng,
    ) -> None:
        self.task = task
        self.size = size
        self._watch = stopwatch
        self._device = device
        self._checks = checks
        self._fresh = fresh
        self._references = references or References()
        before = str(rng.bit_generator.state)
        timed, self._work = self._drawn_timed(rng, before)
        probes = task.probes(size, rng) if Safeguard.PROBES in checks else ()
        # Probes first: a wrong candidate fails sooner there, and says more.
        self._trials = [*(self._stage(p, f"{before} {i}") for i, p in enumerate(probes)), timed]
        self._footprint = sum(lay_out(timed.program).sizes)
        self._ceiling = self._work.bound.ceiling(device.ceilings, self._footprint)
        self._invariants = task.invariants(size, timed.problem.inputs, timed.want)
        _let_go(timed.want)

    def _drawn_timed(self, rng: np.random.Generator, before: str) -> tuple[Trial, Work]:
        with self._watch.phase("reference"):
            timed = Probe("", self.size, self.task.inputs(self.size, rng))
            work = self.task.work(self.size, timed.inputs)
        # Inputs for which nothing was drawn are those of every run, and so is their reference.
        draw = before if str(rng.bit_generator.state) != before else "nothing drawn"
        return self._stage(timed, draw), work

    def bind(self, module: Module) -> Attempt:
        vigil = Vigil(self._checks, self._fresh(), repeatable=self.task.repeatable)
        with self._watch.phase("staging"):
            executions = [trial.stage.bind(module) for trial in self._trials]
        return Attempt(module, executions, vigil)

    def programs(self) -> dict[str, Program]:
        """Return each problem's program by the problem's name. The timed one is last, and its name is empty."""
        return {f"{i} {t.problem.name}" if t.problem.name else "": t.program for i, t in enumerate(self._trials)}

    @property
    def program(self) -> Program:
        """The program of the timed problem."""
        return self._trials[-1].program

    def drawn_programs(self) -> list[Program]:
        """Draw small problems and return their programs."""
        return [
            self.task.with_physics(problem.physics).trace(problem.size, problem.inputs)
            for problem in self.task.drawn(self.size, self._fresh())
        ]

    def verify(self, attempt: Attempt) -> SizeResult:
        """Run every problem once over poisoned outputs and compare with the reference. Raises CANDIDATE_FAULTS."""
        for trial, execution in zip(self._trials[:-1], attempt.executions, strict=False):
            wrong = self._try(trial, execution)
            if wrong:
                return wrong
        timed = self._trials[-1]
        attempt.verified_seconds = self._poisoned_run(timed, attempt.executions[-1]).seconds
        result = self._judge(timed)
        if not result.outcome.correct:
            return result
        with self._watch.phase("verification"):
            attempt.vigil.remember(timed.stage.outputs())
            return replace(result, invariants=self._conserved())

    def compare(self, attempt: Attempt) -> SizeResult:
        """Check the timed runs: the ones that were looked at, and the outputs of the last one against the reference.

        A kernel must not be right only while it is watched.
        """
        if attempt.vigil.complaint:
            return SizeResult(self.size.label, Outcome.WRONG, attempt.vigil.complaint, unsound=True)
        timed = self._trials[-1]
        with self._watch.phase("verification"):
            if attempt.vigil.unchanged(timed.stage.outputs()) and not self._damage(timed):
                return SizeResult(self.size.label, Outcome.SCORED, "the same bits as in the verified run")
        return self._judge(timed)

    def once(self, attempt: Attempt) -> Elapsed:
        """Time one run of the timed problem. Nothing of the runs before it is left."""
        stage = self._trials[-1].stage
        with self._watch.phase("verification"):
            attempt.vigil.before(stage)
        with self._watch.phase("kernels"):
            elapsed = attempt.run()
        with self._watch.phase("verification"):
            attempt.vigil.after(stage, elapsed.seconds)
        return elapsed

    def shares(self, attempt: Attempt) -> Mapping[str, float]:
        """Return the kernels' shares of the time. Outputs hold anything afterwards."""
        with self._watch.phase("kernels"):
            return attempt.kernel_shares()

    def timed(self, attempt: Attempt, verified: SizeResult, timing: Timing) -> SizeResult:
        """Add its timing to a result; it is suspect if no kernel could have it."""
        with self._watch.phase("kernels"):
            launch = launch_floor(attempt.launch)
        result = replace(verified, timing=timing, roofline=self.roofline(timing), launch=launch)
        suspicion = self.suspicion(attempt, timing, launch)
        if suspicion:
            return replace(result, outcome=Outcome.SUSPECT, detail=suspicion)
        return result

    def suspicion(self, attempt: Attempt, timing: Timing, launch: float | None = None) -> str:
        """Say why no kernel could have taken so little time; empty if one could. launch: what an empty one took."""
        if Safeguard.FLOORS not in self._checks:
            return ""
        floor = launch_floor(attempt.launch) if launch is None else launch
        below = below_launch(timing.seconds, floor, attempt.launch)
        return below or beyond_the_machine(self.roofline(timing), self._work, self._device.ceilings)

    def roofline(self, timing: Timing) -> Roofline:
        achieved = self._work.amount * 1e-9 / timing.median
        return Roofline(achieved, self._ceiling, self._work.bound.unit, self._work.reachable, self._footprint)

    def close(self) -> None:
        for trial in self._trials:
            trial.stage.close()

    def draw(self, module: Module) -> "Drawn":
        """Draw small problems for a candidate that has been compiled. Raises CANDIDATE_FAULTS."""
        with ExitStack() as cleanup:
            trials = []
            for problem in self.task.drawn(self.size, self._fresh()) if Safeguard.DRAWN in self._checks else ():
                trial = self._stage(problem, None)
                cleanup.callback(trial.stage.close)
                with self._watch.phase("staging"):
                    trials.append((trial, trial.stage.bind(module)))
            return Drawn(trials, cleanup.pop_all())

    def verify_drawn(self, drawn: "Drawn") -> SizeResult | None:
        """Return the result at the first wrong one of the problems that were drawn for a candidate."""
        wrong = (self._try(trial, execution) for trial, execution in drawn.trials)
        return next(filter(None, wrong), None)

    def _try(self, trial: Trial, execution: Execution) -> SizeResult | None:
        """Return the result at one problem if it is wrong."""
        self._poisoned_run(trial, execution)
        result = self._judge(trial)
        if result.outcome.correct:
            return None
        return result

    def _poisoned_run(self, trial: Trial, execution: Execution) -> Elapsed:
        with self._watch.phase("verification"):
            trial.stage.poison()
        with self._watch.phase("kernels"):
            return execution.run()

    def _stage(self, problem: Probe, draw: str | None) -> Trial:
        """Stage a problem. draw: number of the draw of the inputs, None for one that will not come again."""
        task = self.task.with_physics(problem.physics)
        with self._watch.phase("reference"):
            if draw is None:
                want = task.reference(problem.size, problem.inputs)
            else:
                want = self._references.get(task, problem.size, f"{draw} {problem.name}", problem.inputs)
        with self._watch.phase("staging"):
            stage = self._device.stage(task.trace(problem.size, problem.inputs))
        if isinstance(stage, Holding):
            problem = replace(problem, inputs=dict(zip(problem.inputs, stage.inputs, strict=True)))
        _let_go(want)
        return Trial(task, problem, want, stage)

    def _judge(self, trial: Trial) -> SizeResult:
        with self._watch.phase("verification"):
            damage = self._damage(trial)
            if damage:
                return SizeResult(self.size.label, Outcome.WRONG, told(trial.problem, damage), unsound=True)
            got = trial.stage.outputs()
            verdict = trial.task.check(trial.problem.size, got, trial.want)
            _let_go(trial.want)
            error = verdict.error if math.isfinite(verdict.error) else None
            if verdict.correct:
                return SizeResult(self.size.label, Outcome.SCORED, verdict.detail, error)
            return SizeResult(self.size.label, Outcome.WRONG, explain(trial, verdict, got), error)

    def _damage(self, trial: Trial) -> str:
        if Safeguard.GUARDS in self._checks:
            return trial.stage.damage()
        return ""

    def _conserved(self) -> tuple[Invariant, ...]:
        trial = self._trials[-1]
        got = self.task.invariants(self.size, trial.problem.inputs, trial.stage.outputs())
        return tuple(Invariant(name, got[name], want) for name, want in self._invariants.items())


def _let_go(want: Sequence[Array]) -> None:
    for array in want:
        let_go(array)
