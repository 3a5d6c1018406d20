"""An evaluation in words, for a model. The one place that turns results into prose."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.devices.virtual.forecast import Forecast, predicted_gain
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult
from metalsci.msl.diagnostics import render
from metalsci.msl.text.quoting import inline
from metalsci.search.archive import Entry

_LINE = re.compile(r"\blines? (\d+)")
_MOST = 10  # diagnostics or findings; the first few say it all

_OF_THE_CHECK = ("unwatched",)  # kinds of findings that tell of the check's own limits and of no kernel

_ADVICE = {
    Outcome.NO_CODE: "Answer with one fenced code block that holds the whole file.",
    Outcome.AMBIGUOUS: "Answer with one fenced code block that holds the whole file.",
    Outcome.BAD_EDIT: "Copy the lines to search for as they are, enough of them to be unique, or write the whole file.",
    Outcome.EMPTY: "Answer with one fenced code block that holds the whole file.",
    Outcome.TRUNCATED: "Keep the explanation to a few sentences, so that the whole file fits in the answer.",
    Outcome.REFUSED: "The task is to write a numerical kernel; answer with one fenced code block.",
    Outcome.DUPLICATE: "This source was already evaluated; propose something new.",
    Outcome.TIMED_OUT: "It was stopped: look for a loop that never ends or does far too much work.",
    Outcome.SUSPECT: "It is not promoted, and a person will look at it: a kernel has to do the work of the task.",
    Outcome.UNCOUNTED: "Times are predicted from counts here: make no pointers from integers, and less code.",
    Outcome.CRASHED: "It was stopped by a memory fault: look for an index outside a buffer.",
}


@dataclass(frozen=True)
class Detail:
    """Parts of an evaluation to include, for ablations. Outcome and score always are.

    - sizes: time and rate at each size.
    - diagnostics: the compiler's, with the lines they point at.
    - differences: where results are wrong, and by how much.
    - findings: the sanitizer's.
    - roofline: achieved rates, fractions of the ceiling, and what they mean.
    - device: the device's remarks on the execution.
    - decision: if it replaced the best kernel, or why not.
    - profile: the prediction for a GPU that is not there: bottleneck, advice and lines, by what was counted.
    """

    sizes: bool = True
    diagnostics: bool = True
    differences: bool = True
    findings: bool = True
    roofline: bool = True
    device: bool = True
    decision: bool = True
    profile: bool = True


def describe_entry(entry: Entry, baseline: Evaluation, detail: Detail | None = None) -> str:
    """Return the result of an entry as Markdown: its evaluation, and the decision about it. baseline: the seed's."""
    detail = detail or Detail()
    text = describe(entry.evaluation, entry.source, baseline.score, detail, baseline.forecast)
    if detail.decision and entry.decision is not None and entry.decision.reason:
        became = "It became the best so far" if entry.promoted else "It did not replace the best so far"
        text += f"\n{became}: {inline(entry.decision.reason, 300)}"
    return text


def describe(
    evaluation: Evaluation,
    source: str | None,
    baseline: float,
    detail: Detail | None = None,
    seed: Forecast | None = None,
) -> str:
    """Return the result as Markdown: outcome, timings with fractions of the ceiling, or each fault and its place.

    `baseline` is the seed kernel's score, `seed` its prediction; `source` is quoted next to compile diagnostics.
    """
    detail = detail or Detail()
    quoted = _QuotedLines(source or "")
    lines = [_headline(evaluation, baseline, detail)]
    if detail.diagnostics:
        lines += [render([d], source or "", "markdown") for d in evaluation.diagnostics[:_MOST]]
        lines += _rest(len(evaluation.diagnostics))
    if evaluation.outcome is not Outcome.COMPILE_ERROR:
        lines += [_size(result, detail) for result in evaluation.sizes if detail.sizes or not result.outcome.correct]
    findings = [finding for finding in evaluation.findings if finding.kind not in _OF_THE_CHECK]
    if detail.findings and findings:
        lines.append("A run with every access checked found:")
        lines += [f"- {quoted.beside(str(finding))}" for finding in findings[:_MOST]]
        lines += _rest(len(findings))
    if detail.roofline:
        lines += _reading(evaluation)
    if detail.device and evaluation.remarks:
        lines.append("The device says:")
        lines += [f"- {remark}" for remark in evaluation.remarks]
    if detail.profile and evaluation.forecast is not None:
        lines += _foreseen(evaluation.forecast, seed, quoted)
    if evaluation.outcome in _ADVICE:
        lines.append(_ADVICE[evaluation.outcome])
    return "\n".join(lines)


class _QuotedLines:
    """The lines of a source that sentences name by number, each quoted once: models count lines badly."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines()
        self._told: set[int] = set()

    def beside(self, sentence: str) -> str:
        """Return a sentence with the lines that it is the first to name."""
        named = {int(number) for number in _LINE.findall(sentence)}
        found = {}
        for number in sorted(named - self._told):
            if 0 < number <= len(self._lines) and self._lines[number - 1].strip():
                found[number] = inline(self._lines[number - 1], 100)
        self._told |= named
        if not found:
            return sentence
        if len(named) == 1:
            return f"{sentence} [{found.popitem()[1]}]"
        return f"{sentence} [{'; '.join(f'{number}: {code}' for number, code in found.items())}]"


def _foreseen(forecast: Forecast, seed: Forecast | None, quoted: _QuotedLines) -> Iterator[str]:
    if forecast.unknown:
        yield f"Predicted on {forecast.gpu}: nothing, since it cannot be counted ({forecast.unknown})."
        return
    times = ", ".join(f"{1e3 * size.seconds:.3f} ms at {size.label}" for size in forecast.sizes)
    gain = predicted_gain(forecast, seed)
    told = f", {gain.speedup:.2f}x the seed kernel" if gain else ""
    yield f"Predicted on {forecast.gpu}, from counts, not measured: {times}{told}; {forecast.bottleneck}."
    figures = forecast.figures
    yield (
        f"- {100 * figures['lanes']:.0f} % of lanes at work, {figures['lines']:.1f} lines of 128 bytes an access, "
        f"{figures['registers']:.0f} values alive, lanes part at {100 * figures['divergence']:.0f} % of the branches"
    )
    yield from (f"- {quoted.beside(sentence)}" for sentence in (*forecast.advice, *forecast.lines))


def _headline(evaluation: Evaluation, baseline: float, detail: Detail) -> str:
    if not evaluation.outcome.correct:
        told_below = (evaluation.diagnostics and detail.diagnostics) or evaluation.sizes
        return f"Outcome: {evaluation.outcome}." + ("" if told_below else f" {evaluation.message}")
    speedup = f", {evaluation.score / baseline:.2f}x the seed kernel" if baseline else ""
    return f"Outcome: correct at every size; score {evaluation.score:.4f}{speedup}."


def _size(result: SizeResult, detail: Detail) -> str:
    if result.timing is None or result.roofline is None:
        if result.outcome.correct:
            return f"- {result.label}: correct; {result.detail}"
        told = f"; {result.detail}" if detail.differences or result.outcome is not Outcome.WRONG else ""
        return f"- {result.label}: {result.outcome}{told}"
    if not result.outcome.correct:
        return f"- {result.label}: {result.outcome}; {result.detail}"
    line = f"- {result.label}: {1e3 * result.timing.median:.3f} ms"
    if detail.roofline:
        roof = result.roofline
        line += f", {roof.achieved:.4g} {roof.unit} of {roof.ceiling:.4g} ({100 * roof.fraction:.1f} % of the ceiling)"
    if result.kernels:
        line += "; " + ", ".join(f"{name} {100 * share:.0f} % of the time" for name, share in result.kernels.items())
    return line


def _reading(evaluation: Evaluation) -> list[str]:
    """Explain the roofline: which ceiling bounds the task, where the kernel is far from it, what is left to gain."""
    timed = [(r.label, r.roofline) for r in evaluation.sizes if r.roofline is not None]
    if not timed:
        return []
    far, near = (pick(timed, key=lambda item: item[1].fraction) for pick in (min, max))
    bound = "memory bandwidth" if near[1].unit == "GB/s" else "arithmetic throughput"
    where = f"{far[0]} is farthest from it ({_left(far[1])}), {near[0]} nearest ({_left(near[1])})"
    if len(timed) == 1:
        where = _left(near[1])
    reach = f"; {_reach([roofline.reachable for _, roofline in timed])}" if near[1].reachable != 1 else ""
    return [f"Roofline: {bound} is the ceiling{reach}; {where}."]


def _reach(shares: Sequence[float]) -> str:
    low, high = (f"{100 * share:.3g}" for share in (min(shares), max(shares)))
    span = low if low == high else f"{low} to {high}"
    return f"a perfect kernel of this algorithm would be at {span} % of it, by the score's count"


def _left(roofline: Roofline) -> str:
    if roofline.left <= 1:
        return "at what the measured ceiling allows or above it"
    return f"up to {roofline.left:.1f}x is left"


def _rest(count: int) -> list[str]:
    if count > _MOST:
        return [f"- … and {count - _MOST} more"]
    return []
