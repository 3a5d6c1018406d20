"""From a model's answer to a candidate: which of its code blocks is the kernel."""

from dataclasses import dataclass

from markdown_it import MarkdownIt

from metalsci.benchmark.evaluation import Outcome
from metalsci.msl.parse import parse


@dataclass(frozen=True)
class Answer:
    """Either `source`, or the outcome that says why there is none, with a message for the model."""

    source: str | None
    outcome: Outcome | None = None
    message: str = ""


def read_answer(text: str, kernels: frozenset[str]) -> Answer:
    """The one code block that defines kernels. Prose without a fence counts as code when it defines one itself.

    Several blocks are fine as long as only one holds all of the task's `kernels`; if none or more than one does, the
    choice would be a guess, and the answer is ambiguous.
    """
    blocks = [t.content for t in MarkdownIt().parse(text) if t.type in ("fence", "code_block") and t.content.strip()]
    candidates = [b for b in blocks if parse(b).kernels]
    if not candidates and not blocks and parse(text).kernels:
        return Answer(text)
    if not candidates:
        return Answer(None, Outcome.NO_CODE, "the answer holds no code block with a `kernel void` function")
    if len(candidates) == 1:
        return Answer(candidates[0])
    whole = [b for b in candidates if kernels <= {k.name for k in parse(b).kernels}]
    if len(set(whole)) == 1:
        return Answer(whole[0])
    found = f"{len(candidates)} code blocks define kernels"
    return Answer(None, Outcome.AMBIGUOUS, f"{found}; answer with exactly one block that holds the whole file")
