"""The record of an answer, as a journal keeps it and `replay` reads it."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from metalsci.models.protocol import Response


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """A model's answer, before anything else happens to it: it may have been paid for. An answer that was cut off and
    continued has one record a part. `prompt` is the digest of what was asked."""

    iteration: int
    seconds: float
    response: Response
    prompt: str = ""


@dataclass(frozen=True)
class Recorded:
    """A whole answer, its parts joined, and the digest of the prompt that it answers."""

    response: Response
    prompt: str


class _Entry(msgspec.Struct):
    iteration: int
    response: Response | None = None


class _Judged(msgspec.Struct, tag="judged"):
    """As much of that record as matters here."""

    entry: _Entry


class _Began(msgspec.Struct, tag="began"):
    pass


def recorded_answers(journal: Path) -> dict[int, Recorded]:
    """The answers of a journal by iteration. Raises OSError, and msgspec.DecodeError for what is no journal."""
    decoder = msgspec.json.Decoder(Answered | _Judged | _Began)
    prompts: dict[int, str] = {}
    answers: dict[int, Recorded] = {}
    for line in journal.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # a killed run's last line
        match decoder.decode(line):
            case Answered(iteration=iteration, prompt=prompt):
                prompts.setdefault(iteration, prompt)
            case _Judged(entry=_Entry(iteration=iteration, response=response)) if response is not None:
                answers[iteration] = Recorded(response, prompts.get(iteration, ""))
    return answers
