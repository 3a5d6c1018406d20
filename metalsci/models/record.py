"""The record of an answer, as a journal keeps it and `replay` reads it."""

from collections.abc import Iterator
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


class _Tag(msgspec.Struct):
    type: str


def read_answers(journal: Path) -> Iterator[Answered]:
    """The answers of a journal, in order. Raises OSError, and msgspec.DecodeError for what is not a journal."""
    for line in journal.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n") and msgspec.json.decode(line, type=_Tag).type == "answered":
            yield msgspec.json.decode(line, type=Answered)
