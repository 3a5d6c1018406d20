"""The journal: what a run has done, one JSON record a line, on disk before the next step. The run's only state."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from metalsci.models.record import Answered
from metalsci.search.history import Entry

SCHEMA = 1


class JournalError(Exception):
    """The journal does not belong to this run, or is not a journal; the message says what to do."""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """First record. `fingerprint` stands for all that makes two runs the same: task, model, strategy, device, seed."""

    fingerprint: str
    schema: int = SCHEMA


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """The end of an iteration."""

    entry: Entry


Record = Began | Answered | Judged


class Journal:
    """Append-only. Opening it drops a torn last line, which a killed run leaves behind.

    `entries` and `answers`, the parts of each iteration's answer, are what the file held when it was opened. Raises
    JournalError when it was begun with another fingerprint or schema.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        records = list(_read(path))
        if not records:
            path.write_bytes(b"")
            self.append(Began(fingerprint))
        elif not isinstance(first := records[0], Began) or first.schema != SCHEMA:
            raise JournalError(f"{path} was not written by this version of metalsci; choose another folder")
        elif first.fingerprint != fingerprint:
            raise JournalError(
                f"{path} belongs to a run with another task, model, strategy, device or seed; "
                "resume it with the same settings, or choose another folder"
            )
        self.entries = tuple(r.entry for r in records if isinstance(r, Judged))
        self.answers: dict[int, tuple[Answered, ...]] = {}
        for record in records:
            if isinstance(record, Answered):
                self.answers[record.iteration] = (*self.answers.get(record.iteration, ()), record)

    def append(self, record: Record) -> None:
        """On disk when this returns. Raises OSError (disk full, read-only) with nothing half-written after it."""
        line = msgspec.json.encode(record) + b"\n"
        with self.path.open("ab") as file:
            end = file.tell()
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, end)
                raise


def _read(path: Path) -> Iterator[Record]:
    """The whole records of a journal; truncates what a killed process left after the last newline."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    decoder = msgspec.json.Decoder(Record)
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            raise JournalError(f"{path}:{number} is not a journal record: {error}") from error
