"""From a model's answer to a candidate: which of its code blocks is the kernel, and is the answer whole?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from metalsci.evaluation.results import Outcome
from metalsci.models.protocol import Response, Stop
from metalsci.msl.language.parse import parse

_CODE_LINE = re.compile(
    r"#\s*(include|define|if|ifdef|ifndef|pragma)\b|\[\[|//|/\*"
    r"|(using namespace|kernel|constant|constexpr|template|struct|inline|static|typedef|enum)\b"
)
_FENCE_LINE = re.compile(r"\s*(`{3,}|~{3,})[^`\n]*\n")


@dataclass(frozen=True)
class Answer:
    """Either `source`, or the outcome that says why there is none, with a message for the model."""

    source: str | None
    outcome: Outcome | None = None
    message: str = ""


def read_answer(response: Response, kernels: frozenset[str]) -> Answer:
    """The one code block that defines kernels, or a typed failure."""
    if response.stop is Stop.REFUSED:
        return Answer(None, Outcome.REFUSED, "the model, or its provider's content filter, declined to answer")
    if not response.text.strip():
        return Answer(None, Outcome.EMPTY, "the answer is empty")
    if response.stop is not Stop.END and not complete(response.text):
        return Answer(None, Outcome.TRUNCATED, "the answer was cut off at the limit of its length")
    return _choose(response.text, kernels)


def _choose(text: str, kernels: frozenset[str]) -> Answer:
    """Prose without a fence counts as code when it defines a kernel itself.

    Several blocks are fine as long as only one holds all of the task's `kernels`; if none or more than one does, the
    choice would be a guess, and the answer is ambiguous.
    """
    blocks = _blocks(text)
    candidates = [b.content for b in blocks if parse(b.content).kernels]
    if not candidates and not any(b.type == "fence" for b in blocks) and parse(text).kernels:
        return Answer(_code(text))
    if not candidates:
        return Answer(None, Outcome.NO_CODE, "the answer holds no code block with a `kernel void` function")
    if len(candidates) == 1:
        return Answer(candidates[0])
    whole = [c for c in candidates if kernels <= {k.name for k in parse(c).kernels}]
    if len(set(whole)) == 1:
        return Answer(whole[0])
    found = f"{len(candidates)} code blocks define kernels"
    return Answer(None, Outcome.AMBIGUOUS, f"{found}; answer with exactly one block that holds the whole file")


def complete(text: str) -> bool:
    """Whether a candidate in the text is whole although the text itself was cut off: every fence is closed."""
    fences = [block for block in _blocks(text) if block.type == "fence"]
    return all(_closed(f, text) for f in fences) and any(parse(f.content).kernels for f in fences)


def join(parts: Sequence[Response]) -> Response:
    """One response of an answer that was cut off and continued: texts joined, tokens and costs added up."""
    whole = parts[0]
    for part in parts[1:]:
        whole = replace(
            part,
            text=_continue(whole.text, part.text),
            reasoning="\n\n".join(filter(None, (whole.reasoning, part.reasoning))),
            usage=whole.usage + part.usage,
            cost=None if whole.cost is None or part.cost is None else whole.cost + part.cost,
        )
    return whole


def _continue(said: str, more: str) -> str:
    """Some models go on where they stopped, some open the fence again first, and some start over."""
    unclosed = [b for b in _blocks(said) if b.type == "fence" and not _closed(b, said)]
    if not unclosed:
        return said + more
    if complete(more):
        started_over = _blocks(more)[0].map or [0, 0]
        if not "".join(more.splitlines(keepends=True)[: started_over[0]]).strip(" \n"):
            return more
    reopened = _FENCE_LINE.match(more)
    return said + (more[reopened.end() :] if reopened else more)


def _blocks(text: str) -> list[Token]:
    return [t for t in MarkdownIt().parse(text) if t.type in ("fence", "code_block") and t.content.strip()]


def _closed(block: Token, text: str) -> bool:
    if block.type != "fence" or block.map is None:
        return False
    first, end = block.map
    last = text.splitlines()[end - 1].strip(" \t>")
    return end - 1 > first and last.startswith(block.markup) and not last.strip(block.markup[0])


def _code(text: str) -> str:
    """An answer without a fence, less the prose before its first and after its last line of code."""
    lines = text.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if _CODE_LINE.match(line)]
    ends = [i for i, line in enumerate(lines) if line.startswith("}")]
    if not starts or not ends or ends[-1] < starts[0]:
        return text
    return "".join(lines[starts[0] : ends[-1] + 1])
