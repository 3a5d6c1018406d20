"""From a model's answer to a candidate: find the code block with the kernels, and tell whether the answer is whole."""

import re
from dataclasses import dataclass

from metalsci.evaluation.results import Outcome
from metalsci.models.continuation import blocks, complete
from metalsci.models.protocol import Response, Stop
from metalsci.msl.language.parse import Unit, parse

_CODE_LINE = re.compile(
    r"#\s*(include|define|if|ifdef|ifndef|pragma)\b|\[\[|//|/\*"
    r"|(using namespace|kernel|constant|constexpr|template|struct|inline|static|typedef|enum)\b"
)


_AGENT_FAILURES = {
    Stop.OVERDUE: Outcome.AGENT_OVERDUE,
    Stop.FLOODED: Outcome.AGENT_FLOODED,
    Stop.DIED: Outcome.AGENT_DIED,
    Stop.STRAYED: Outcome.AGENT_STRAYED,
}


@dataclass(frozen=True)
class Answer:
    """A candidate, or the outcome that explains why there is none, with a message for the model."""

    unit: Unit | None
    outcome: Outcome | None = None
    message: str = ""
    others: tuple[Unit, ...] = ()

    @property
    def source(self) -> str | None:
        if self.unit is None:
            return None
        return self.unit.source


def read_answer(response: Response, kernels: frozenset[str], most: int = 1) -> Answer:
    """Return the code block that defines kernels, or a typed failure.

    most: candidates that one answer may hold; those after the first are its `others`.
    """
    if response.stop is Stop.REFUSED:
        return Answer(None, Outcome.REFUSED, "the model, or its provider's content filter, declined to answer")
    if response.stop in _AGENT_FAILURES:
        return Answer(None, _AGENT_FAILURES[response.stop], response.text)
    if not response.text.strip():
        return Answer(None, Outcome.EMPTY, "the answer is empty")
    if response.stop is not Stop.END and not complete(response.text):
        return Answer(None, Outcome.TRUNCATED, "the answer was cut off at the limit of its length")
    return _choose(response.text, kernels, most)


def _choose(text: str, kernels: frozenset[str], most: int) -> Answer:
    """Choose the code of an answer. Prose without a fence counts as code if it defines a kernel itself.

    Several blocks are fine as long as no more than `most` hold all of the task's `kernels`. If none or too many do, the
    choice would be a guess, and the answer is ambiguous.
    """
    found = blocks(text)
    candidates = [unit for unit in (parse(block.content) for block in found) if unit.kernels]
    if not candidates and not any(b.type == "fence" for b in found) and parse(text).kernels:
        return Answer(parse(_code(text)))
    if not candidates:
        return Answer(None, Outcome.NO_CODE, "the answer holds no code block with a `kernel void` function")
    if len(candidates) == 1:
        return Answer(candidates[0])
    whole = [unit for unit in candidates if kernels <= {kernel.name for kernel in unit.kernels}]
    different = list({unit.source: unit for unit in whole}.values())
    if 0 < len(different) <= most:
        return Answer(different[0], others=tuple(different[1:]))
    told = f"{len(candidates)} code blocks define kernels"
    wanted = "exactly one block that holds"
    if most > 1:
        wanted = f"at most {most} blocks that each hold"
    return Answer(None, Outcome.AMBIGUOUS, f"{told}; answer with {wanted} the whole file")


def _code(text: str) -> str:
    """Strip the prose around the code of an unfenced answer."""
    lines = text.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if _CODE_LINE.match(line)]
    ends = [i for i, line in enumerate(lines) if line.startswith("}")]
    if not starts or not ends or ends[-1] < starts[0]:
        return text
    return "".join(lines[starts[0] : ends[-1] + 1])
