"""The record of an answer, as a journal keeps it and `replay` reads it."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from metalsci.models.continuation import join
from metalsci.models.protocol import Response


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """A model's answer, before anything else happens to it: it may have been paid for.

    An answer that was cut off and continued has one record a part. `id` is that of the request, `prompt` the digest of
    the question.
    """

    id: int
    seconds: float
    response: Response
    prompt: str = ""


@dataclass(frozen=True)
class Recorded:
    """A whole answer, its parts joined, and the digest of the prompt that it answers."""

    response: Response
    prompt: str


class _Began(msgspec.Struct, tag="began"):
    pass


class _Asked(msgspec.Struct, tag="asked"):
    pass


class _Learned(msgspec.Struct, tag="learned"):
    pass


class _Judged(msgspec.Struct, tag="judged"):
    """The part of that record that matters here."""

    id: int


def recorded_answers(journal: Path) -> dict[int, Recorded]:
    """Read the judged answers of a journal by request. Raises OSError, and msgspec.DecodeError if it is no journal."""
    decoder = msgspec.json.Decoder(Answered | _Judged | _Began | _Asked | _Learned)
    parts: dict[int, list[Answered]] = {}
    answers: dict[int, Recorded] = {}
    with journal.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break  # a killed run's last line
            record = decoder.decode(line)
            if isinstance(record, Answered):
                parts.setdefault(record.id, []).append(record)
            elif isinstance(record, _Judged) and record.id in parts:
                heard = parts.pop(record.id)
                answers[record.id] = Recorded(join([part.response for part in heard]), heard[0].prompt)
    return answers
