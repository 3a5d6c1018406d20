"""Evaluation with a second opinion: a sanitizer looks at the candidates that fail, to say why, and at those that would
win, because a kernel that does what Metal leaves undefined is right by luck.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from metalsci.devices.cpu.cpu_sanitizer import Findings, Sanitizer
from metalsci.devices.program import Program
from metalsci.evaluation.evaluator import Evaluator, Progress
from metalsci.evaluation.results import Evaluation, Outcome, SizeResult
from metalsci.evaluation.staged_size import Bench
from metalsci.msl.language.parse import Unit

_TELLING = (Outcome.WRONG, Outcome.CRASHED)


class Sanitized:
    """Evaluates as `evaluator` does. A correct candidate that scores above all before it is looked at, too."""

    def __init__(self, evaluator: Evaluator, sanitizer: Sanitizer) -> None:
        self._evaluator = evaluator
        self._sanitizer = sanitizer
        self._best = 0.0

    def evaluate(self, source: str | Unit, progress: Progress = lambda _: None) -> Evaluation:
        """As `Evaluator.evaluate`, with findings."""
        evaluation = self._evaluator.evaluate(source, progress)
        wins = evaluation.outcome.correct and evaluation.score > self._best
        if not wins and evaluation.outcome not in _TELLING:
            return evaluation
        progress("checking every access")
        watch = self._evaluator.stopwatch
        before = watch.seconds["sanitizer"]
        with watch.phase("sanitizer"):
            found = look(self._sanitizer, self._bench(evaluation), source, thorough=not wins)
        phases = {**evaluation.phases, "sanitizer": watch.seconds["sanitizer"] - before}
        evaluation = replace(evaluation, findings=found.all, phases=phases)
        if not wins:
            return evaluation
        if found.undefined:
            return _rejected(evaluation, found)
        self._best = evaluation.score
        return evaluation

    def _bench(self, evaluation: Evaluation) -> Bench:
        """That of the size at which a candidate failed; else the first, which is the smallest."""
        failed = (i for i, result in enumerate(evaluation.sizes) if not result.outcome.correct)
        return self._evaluator.bench(next(failed, 0))


def look(sanitizer: Sanitizer, bench: Bench, source: str | Unit, *, thorough: bool) -> Findings:
    """What the sanitizer finds on the first of a bench's problems on which it finds something. The probes are small;
    the problem that is timed is looked at where there are none, or where one is thorough."""
    for program in _programs(bench.programs(), thorough):
        found = sanitizer.check(source, program)
        if found.all:
            return found
    return Findings()


def _programs(programs: Mapping[str, Program], thorough: bool) -> Iterable[Program]:
    probes = [program for name, program in programs.items() if name]
    return programs.values() if thorough or not probes else probes


def by_luck(found: Findings) -> str:
    """What is wrong with a kernel whose results are right, although it does what is undefined."""
    return f"right by luck, since what it does is undefined in Metal: {found.undefined[0]}"


def _rejected(evaluation: Evaluation, found: Findings) -> Evaluation:
    first, detail = evaluation.sizes[0], by_luck(found)
    wrong = SizeResult(first.label, Outcome.WRONG, detail, first.error)
    return replace(
        evaluation, outcome=Outcome.WRONG, message=f"{first.label}: {detail}", sizes=(wrong,), score=0.0, remarks=()
    )
