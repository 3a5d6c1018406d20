"""What a model is told of an evaluation. The one place where results become prose."""

from metalsci.benchmark.evaluation import Evaluation, Outcome, SizeResult
from metalsci.msl.diagnostics import Diagnostic

_ADVICE = {
    Outcome.NO_CODE: "Answer with one fenced code block that holds the whole file.",
    Outcome.AMBIGUOUS: "Answer with one fenced code block that holds the whole file.",
    Outcome.DUPLICATE: "This source was already evaluated; propose something new.",
    Outcome.TIMED_OUT: "It was stopped: look for a loop that never ends or does far too much work.",
    Outcome.CRASHED: "It was stopped by a memory fault: look for an index outside a buffer.",
}


def describe(evaluation: Evaluation, source: str | None, baseline: float) -> str:
    """The result as Markdown: outcome, per-size timings with fractions of the ceiling, or what went wrong and where.

    `baseline` is the seed kernel's score; `source` is quoted beside compile diagnostics.
    """
    lines = [_headline(evaluation, baseline)]
    if evaluation.outcome is Outcome.COMPILE_ERROR:
        lines += [_diagnostic(d, source) for d in evaluation.diagnostics]
    elif evaluation.sizes:
        lines += [_size(result) for result in evaluation.sizes]
    if evaluation.outcome in _ADVICE:
        lines.append(_ADVICE[evaluation.outcome])
    return "\n".join(lines)


def _headline(evaluation: Evaluation, baseline: float) -> str:
    if not evaluation.outcome.correct:
        told_below = evaluation.diagnostics or evaluation.sizes
        return f"Outcome: {evaluation.outcome}." + ("" if told_below else f" {evaluation.message}")
    speedup = f", {evaluation.score / baseline:.2f}x the seed kernel" if baseline else ""
    return f"Outcome: correct at every size; score {evaluation.score:.4f}{speedup}."


def _size(result: SizeResult) -> str:
    if result.timing is None or result.roofline is None:
        return f"- {result.label}: {result.outcome if not result.outcome.correct else 'correct'}; {result.detail}"
    roof = result.roofline
    return (
        f"- {result.label}: {1e3 * result.timing.median:.3f} ms, {roof.achieved:.4g} {roof.unit} "
        f"of {roof.ceiling:.4g} ({100 * roof.fraction:.1f} % of the ceiling)"
    )


def _diagnostic(diagnostic: Diagnostic, source: str | None) -> str:
    text = f"- {diagnostic.line}:{diagnostic.column}: {diagnostic.severity}: {diagnostic.message}"
    lines = (source or "").splitlines()
    if 1 <= diagnostic.line <= len(lines):
        text += f"\n      {lines[diagnostic.line - 1].rstrip()}"
    return text
