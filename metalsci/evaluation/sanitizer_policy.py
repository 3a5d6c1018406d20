"""Evaluation with a second opinion by a sanitizer.

It checks the candidates that fail, to say why, and those that are right: a kernel that does anything that Metal leaves
undefined is right by luck.

Every correct candidate is checked whole on small problems that are drawn for it, which shows early returns, missing
barriers and groups that wait for each other. One that may win is also checked in a sample of every size, since kernels
branch on sizes. Its code is instrumented while it is compiled and verified, and several looks are taken at once: a
checked run has one worker.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from metalsci.devices.cpu.cpu_sanitizer import Findings, Instrumenting, Sanitizer
from metalsci.devices.program import Program
from metalsci.evaluation.beside import Job
from metalsci.evaluation.evaluator import Evaluator, Progress
from metalsci.evaluation.results import Evaluation, Outcome, SizeResult
from metalsci.evaluation.staged_size import Bench
from metalsci.msl.language.parse import Unit

_TELLING = (Outcome.WRONG, Outcome.CRASHED)
_MAY_WIN = 0.9  # of the best score so far: a lower score is not promoted, whatever the noise
_SMALL = 2  # problems that are looked at whole, the second only if it is small indeed
_SMALL_INDEED = 1 << 13  # threads of all its dispatches
_UNFINISHED = (
    "not acquitted: with every access checked, a few threadgroups in random order did not come to their end in time; "
    "do threadgroups wait for one another? Metal promises no order, and no progress of the others"
)


class Sanitized:
    """An evaluator that also has the candidate checked."""

    def __init__(self, evaluator: Evaluator, sanitizer: Sanitizer) -> None:
        self._evaluator = evaluator
        self._sanitizer = sanitizer
        self._best = 0.0

    def evaluate(self, source: str | Unit, progress: Progress = lambda _: None) -> Evaluation:
        """Evaluate as `Evaluator.evaluate` does, with findings."""
        ahead: list[Job] = []
        if isinstance(self._sanitizer, Instrumenting):
            names = [signature.name for signature in self._evaluator.task.signatures]
            ahead = [partial(self._sanitizer.prepare, source, names)]
        evaluation = self._evaluator.evaluate(source, progress, ahead)
        if not evaluation.outcome.correct and evaluation.outcome not in _TELLING:
            return evaluation
        progress("checking every access")
        watch = self._evaluator.stopwatch
        before = watch.seconds["sanitizer"]
        with watch.phase("sanitizer"):
            evaluation = self._looked_at(source, evaluation)
        return replace(evaluation, phases={**evaluation.phases, "sanitizer": watch.seconds["sanitizer"] - before})

    def _looked_at(self, source: str | Unit, evaluation: Evaluation) -> Evaluation:
        if not evaluation.outcome.correct:
            failed = (i for i, result in enumerate(evaluation.sizes) if not result.outcome.correct)
            found = look(self._sanitizer, self._evaluator.bench(next(failed, 0)), source)
            return replace(evaluation, findings=found.all)
        told = self._told(source, may_win=evaluation.score > _MAY_WIN * self._best)
        evaluation = judged(evaluation, told)
        self._best = max(self._best, evaluation.score)
        return evaluation

    def _told(self, source: str | Unit, *, may_win: bool) -> Sequence[Findings]:
        """Check small problems, and if it may win a sample of each size; findings on the former come first."""
        benches = self._evaluator.benches
        longest_first = sorted(benches, key=lambda bench: -_threads(bench.program)) if may_win else []
        with ThreadPoolExecutor(1 + len(longest_first)) as pool:
            # one that began last would be waited for alone
            samples = {bench: pool.submit(self._sanitizer.sample, source, bench.program) for bench in longest_first}
            small = pool.submit(look_at_small, self._sanitizer, benches[0], source)
            if samples and small.result().clean:
                return [samples[bench].result() for bench in benches]
            return [small.result()]


def look(sanitizer: Sanitizer, bench: Bench, source: str | Unit) -> Findings:
    """Check a bench's problems, the timed one last. Return the findings on the first that has any."""
    return _first(sanitizer.check(source, program) for program in _probes_first(bench.programs()))


def look_at_small(sanitizer: Sanitizer, bench: Bench, source: str | Unit) -> Findings:
    """Check small problems whole; if the task draws none, a sample of the bench's own."""
    drawn = sorted(bench.drawn_programs(), key=_threads)
    if not drawn:
        return sanitizer.sample(source, bench.program)
    small = [drawn[0], *(program for program in drawn[1:_SMALL] if _threads(program) <= _SMALL_INDEED)]
    return _first(sanitizer.check(source, program) for program in small)


def inspect(sanitizer: Sanitizer, bench: Bench, source: str | Unit) -> Findings:
    """Make both checks at one size of a correct candidate."""
    small = look_at_small(sanitizer, bench, source)
    if small.clean:
        return sanitizer.sample(source, bench.program)
    return small


def judged(evaluation: Evaluation, told: Sequence[Findings]) -> Evaluation:
    """Combine a correct evaluation with its findings, size by size: a finding condemns the sizes at which it holds."""
    findings = tuple(dict.fromkeys(finding for found in told for finding in found.all))
    sizes = list(evaluation.sizes)
    for i, found in enumerate(told):
        outcome = condemned(found)
        if outcome:
            sizes[i] = SizeResult(sizes[i].label, outcome, complaint(found), sizes[i].error, unsound=True)
    bad = next((size for size in sizes if not size.outcome.correct), None)
    remarks = (*evaluation.remarks, *dict.fromkeys(f"not looked at: {f.failed}" for f in told if f.failed))
    if bad is None:
        return replace(evaluation, findings=findings, remarks=remarks)
    message = f"{bad.label}: {bad.detail}"
    return replace(
        evaluation, outcome=bad.outcome, message=message, sizes=tuple(sizes), score=0.0, findings=findings, remarks=()
    )


def condemned(found: Findings) -> Outcome | None:
    """Return the outcome that replaces a right result. A check that failed to build condemns nothing."""
    if found.undefined:
        return Outcome.WRONG
    if found.unfinished:
        return Outcome.SUSPECT
    return None


def complaint(found: Findings) -> str:
    """Say what is wrong with a kernel whose results are right."""
    if found.undefined:
        return f"right by luck, since it relies on undefined behaviour of Metal: {found.undefined[0]}"
    return _UNFINISHED


def _threads(program: Program) -> int:
    return sum(math.prod(call.threads) for call in program.calls)


def _first(looks: Iterable[Findings]) -> Findings:
    found = Findings()
    for found in looks:
        if not found.clean:
            return found
    return found


def _probes_first(programs: Mapping[str, Program]) -> Iterator[Program]:
    yield from (program for name, program in programs.items() if name)
    yield from (program for name, program in programs.items() if not name)
