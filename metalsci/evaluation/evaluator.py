"""The evaluator: compile a candidate, verify it at every size, time it, score it.

The order matters. Every size is verified before any is timed, so that a wrong candidate costs one run a size. The
results of the last timed run are compared again, so that a kernel cannot be right only while it is watched.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from metalsci.devices.errors import CANDIDATE_FAULTS, KernelFailure
from metalsci.devices.protocol import Concurrent, Device, Elapsed, Encoded, Module, Predicting, Steady
from metalsci.devices.virtual.forecast import Forecast
from metalsci.evaluation.beside import Beside, Job
from metalsci.evaluation.forecasting import Forecaster
from metalsci.evaluation.promotion.students_t import quantile
from metalsci.evaluation.results import Evaluation, Outcome, SizeResult, Timing, score
from metalsci.evaluation.safeguards import ALL, Safeguard
from metalsci.evaluation.staged_size import Attempt, Bench, Drawn
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.msl.diagnostics import CompileError
from metalsci.msl.language.parse import Unit
from metalsci.task.definition import Size, Task
from metalsci.task.input_seeds import in_distribution


@dataclass(frozen=True)
class Repeats:
    """Number of runs before and inside the clock.

    - warmup: runs before the clock; the first is the verified run.
    - timed: runs inside it, at most; the median counts.
    - seconds: past these at one size a kernel gets three timed runs, no further warm-up, and no more.
    - narrow: no further run of a kernel that takes long, once its mean log time is known within this. Promotions and
      duels have runs of their own. 0: all of `timed`.
    - steady: a kernel whose verified run took so many seconds needs no further warm-up; null for what the device says.
    """

    warmup: int = 3
    timed: int = 10
    seconds: float = 30.0
    narrow: float = 0.02
    steady: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("warmup", self.warmup), ("timed", self.timed)):
            if value < 1:
                raise ValueError(f"repeats.{name}={value}: at least 1, the first warm-up being the verified run")
        if self.seconds < 0:
            raise ValueError(f"repeats.seconds={self.seconds}: give seconds, 0 for as few runs as possible")
        if self.narrow < 0:
            raise ValueError(f"repeats.narrow={self.narrow}: give a share such as 0.01, 0 for all timed runs")
        if self.steady is not None and self.steady < 0:
            raise ValueError(f"repeats.steady={self.steady}: give seconds, .inf for warm-ups of every kernel")

    def on(self, device: Device) -> "Repeats":
        """Return what a device needs of them: one run, if it predicts its times, since all runs take the same."""
        if isinstance(device, Predicting):
            return replace(self, warmup=1, timed=1)
        if self.steady is None and isinstance(device, Steady):
            return replace(self, steady=device.steady)
        return self

    def enough(self, seconds: Sequence[float]) -> bool:
        """Return True if a kernel's time is known well enough by runs that took so long."""
        if len(seconds) < _ENOUGH or sum(seconds) < _LONG:
            return False
        spread = statistics.stdev(map(math.log, seconds))
        return quantile(_SURE, len(seconds) - 1) * spread <= self.narrow * math.sqrt(len(seconds))

    def rounds(self, verified: float = 0.0) -> Iterator[bool]:
        """Yield an item for each further run, True for those inside the clock. verified: seconds of the run before."""
        begin = time.perf_counter()
        warmup = 1 if self.steady is not None and verified >= self.steady else self.warmup
        for _ in range(warmup - 1):  # the verified run was the first
            if time.perf_counter() - begin < self.seconds:
                yield False
        for turn in range(self.timed):
            if turn < _FEWEST or time.perf_counter() - begin < self.seconds:
                yield True


_WORTH_A_WORD = 0.1  # share of the time
_FEWEST = 3  # timed runs
_ENOUGH = 3  # timed runs that tell a spread
# Of Student's t, at one side, for each look at the runs. Simulated for normal, heavy-tailed and spiky times of any
# noise: a median that is called known within 2 % is off by more in at most 5 % of the evaluations.
_SURE = 0.98
_LONG = 0.05  # seconds of timed runs: those of quick kernels cost nothing

# An observer of an evaluation: a sentence for each step, for a live console.
Progress = Callable[[str], None]


class Evaluator:
    """A judge of candidates of one task at a fixed list of sizes. A context manager: benches hold device memory.

    inputs_seed: of the inputs at every size; see metalsci.task.input_seeds.
    twin: says of which candidate a compiled code is known, so that it is not evaluated again; empty if of none.
    forecaster: predicts a GPU's times of each candidate that is right.
    """

    def __init__(
        self,
        task: Task,
        sizes: Sequence[Size],
        device: Device,
        inputs_seed: int,
        repeats: Repeats,
        stopwatch: Stopwatch,
        checks: frozenset[Safeguard] = ALL,
        twin: Callable[[str], str] = lambda code: "",
        forecaster: Forecaster | None = None,
    ) -> None:
        self.task = task
        self.device = device
        self.repeats = repeats.on(device)
        self.forecaster = forecaster
        self.stopwatch = stopwatch
        self._sizes = tuple(sizes)
        self._inputs_seed = inputs_seed
        self._checks = checks
        self._twin = twin
        self._benches: dict[int, Bench] = {}

    def bench(self, index: int) -> Bench:
        """Return the bench of one size, staged at first use: a candidate that does not compile needs none."""
        if index not in self._benches:
            rng = in_distribution(self._inputs_seed, index)
            size = self._sizes[index]
            self._benches[index] = Bench(self.task, size, self.device, rng, self.stopwatch, checks=self._checks)
        return self._benches[index]

    @property
    def benches(self) -> list[Bench]:
        return [self.bench(i) for i in range(len(self._sizes))]

    def compile(self, source: str | Unit) -> Module:
        with self.stopwatch.phase("compile"):
            return self.device.compile(source, self.task.signatures)

    def evaluate(
        self, source: str | Unit, progress: Progress = lambda _: None, ahead: Sequence[Job] = ()
    ) -> Evaluation:
        """Evaluate a candidate. Never raises for its faults: every failure is an outcome with a message.

        ahead: jobs that are done while it is compiled and verified, and have ended before it is timed.
        """
        before = dict(self.stopwatch.seconds)
        with Beside(*ahead) as beside:
            evaluation = self._evaluate(source, progress, beside)
        phases = {k: v - before.get(k, 0.0) for k, v in self.stopwatch.seconds.items() if v > before.get(k, 0.0)}
        return replace(evaluation, phases=phases)

    def _evaluate(self, source: str | Unit, progress: Progress, beside: Beside) -> Evaluation:
        progress("compiling")
        try:
            module = self.compile(source)
        except CompileError as failure:
            return Evaluation(Outcome.COMPILE_ERROR, failure.diagnostics[0].message, failure.diagnostics)
        code = module.code if isinstance(module, Encoded) else ""
        if code and (told := self._twin(code)):
            self._close(module)
            return Evaluation(Outcome.DUPLICATE, told, code=code)
        return replace(self._judge(module, progress, beside), code=code)

    def _judge(self, module: Module, progress: Progress, beside: Beside) -> Evaluation:
        with ExitStack() as cleanup:
            cleanup.callback(self._close, module)
            results: list[SizeResult] = []
            executions: list[Attempt] = []
            draws: list[Callable[[], Drawn]] = []
            for bench in self.benches:
                progress(f"verifying {bench.size.label}")
                try:
                    executions.append(bench.bind(module))
                    results.append(bench.verify(executions[-1]))
                except CANDIDATE_FAULTS as failure:
                    return _failed(failure, bench, results)
                if not draws and results[-1].outcome.correct:  # most wrong ones are so at the first size
                    draws = self._draws(module, beside, cleanup)
            if all(r.outcome.correct for r in results):
                for i, (bench, draw) in enumerate(zip(self.benches, draws, strict=True)):
                    try:
                        with draw() as drawn:
                            results[i] = bench.verify_drawn(drawn) or results[i]
                    except CANDIDATE_FAULTS as failure:
                        return _failed(failure, bench, results[:i])
            wrong = [r for r in results if not r.outcome.correct]
            if wrong:
                outcome = wrong[0].outcome
                message = f"{outcome} at {wrong[0].label}: {wrong[0].detail}"
                return Evaluation(outcome, message, sizes=tuple(results))
            beside.wait()
            for i, (bench, execution) in enumerate(zip(self.benches, executions, strict=True)):
                progress(f"timing {bench.size.label}")
                try:
                    results[i] = self._time(bench, execution, results[i])
                except CANDIDATE_FAULTS as failure:
                    return _failed(failure, bench, results[:i])
                if not results[i].outcome.correct:
                    outcome = results[i].outcome
                    when = "" if outcome is Outcome.SUSPECT else " after repeated runs"
                    message = f"{outcome} at {results[i].label}{when}: {results[i].detail}"
                    return Evaluation(outcome, message, sizes=tuple(results))
            forecast = self._forecast(executions, progress)
            return Evaluation(
                Outcome.SCORED,
                diagnostics=tuple(module.warnings),
                sizes=tuple(results),
                score=score(results),
                remarks=(*module.remarks, *_launches(results)),
                forecast=forecast,
            )

    def _draws(self, module: Module, beside: Beside, cleanup: ExitStack) -> "list[Callable[[], Drawn]]":
        """Return what gives the problems drawn for a candidate, by size. It begins at once, where the device allows it.

        Most of it are references, and the code for groups that only these problems have.
        """
        jobs = [partial(bench.draw, module) for bench in self.benches]
        if not isinstance(self.device, Concurrent) or not self.device.stages_while_it_runs:
            return list(jobs)
        begun = [beside.begin(job) for job in jobs]
        for future in begun:
            cleanup.callback(_let_go, future)
        return [future.result for future in begun]

    def _close(self, module: Module) -> None:
        with self.stopwatch.phase("staging"):
            module.close()

    def forecast(self, source: str) -> Forecast | None:
        """Predict a candidate's times on a GPU. Raises CANDIDATE_FAULTS if it does not compile."""
        module = self.compile(source)
        try:
            return self._forecast([bench.bind(module) for bench in self.benches], lambda _: None)
        finally:
            module.close()

    def _forecast(self, executions: Sequence[Attempt], progress: Progress) -> Forecast | None:
        if self.forecaster is None:
            return None
        progress("predicting")
        timed = {bench.size.label: attempt.timed for bench, attempt in zip(self.benches, executions, strict=True)}
        with self.stopwatch.phase("predicting"):
            return self.forecaster.forecast(timed)

    def _time(self, bench: Bench, execution: Attempt, verified: SizeResult) -> SizeResult:
        shares = bench.shares(execution) if len(self.task.signatures) > 1 else {}
        runs: list[Elapsed] = []
        for timed in self.repeats.rounds(execution.verified_seconds):
            if self.repeats.enough([run.seconds for run in runs]):
                break
            elapsed = bench.once(execution)
            if timed:
                runs.append(elapsed)
        timing = Timing.of(runs)
        after = bench.compare(execution)
        if not after.outcome.correct:
            return after
        return replace(bench.timed(execution, verified, timing), kernels=shares)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()


def _let_go(drawing: Future[Drawn]) -> None:
    if not drawing.cancel():
        with suppress(*CANDIDATE_FAULTS), drawing.result():
            pass


def _launches(results: Sequence[SizeResult]) -> Iterator[str]:
    """Warn of sizes at which launching the calls costs so much that no kernel can win it back."""
    for result in results:
        share = result.launch / result.timing.median if result.launch and result.timing else 0.0
        if share >= _WORTH_A_WORD:
            yield f"{result.label}: launching the calls alone takes {100 * min(share, 1.0):.0f} % of the time"


def _failed(failure: CompileError | KernelFailure, bench: Bench, results: Sequence[SizeResult]) -> Evaluation:
    """Return the evaluation of a candidate that a device refused or lost at `bench`'s size."""
    outcome = Outcome.of(failure)
    here = SizeResult(bench.size.label, outcome, str(failure))
    # MLX compiles a kernel when it first runs
    diagnostics = failure.diagnostics if isinstance(failure, CompileError) else ()
    return Evaluation(outcome, f"{bench.size.label}: {failure}", diagnostics, (*results, here))
