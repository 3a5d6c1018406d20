"""The journal: what a run has done, one JSON record a line, on disk before the next step. The run's only state."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from metalsci.models.record import Answered
from metalsci.search.history import Entry

SCHEMA = 2


class JournalError(Exception):
    """The journal does not belong to this run, or is not a journal; the message says what to do."""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """First record. `fingerprint` stands for all that makes two runs the same: task, model, strategy, device, seed.
    `inputs_seed` is that of the inputs on which the run judges its candidates."""

    fingerprint: str
    inputs_seed: int = 0
    schema: int = SCHEMA


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """The end of an iteration."""

    entry: Entry


Record = Began | Answered | Judged


@dataclass(frozen=True)
class Recording:
    """What a run has left behind: the seed of its inputs, and its iterations."""

    inputs_seed: int
    entries: tuple[Entry, ...]


def read_recording(path: Path) -> Recording:
    """Of another run's journal, which stays as it is. Raises JournalError for what is no journal of this version."""
    records = list(_read(path))
    began = _beginning(path, records, "model.strict=false takes its answers all the same")
    return Recording(began.inputs_seed, tuple(r.entry for r in records if isinstance(r, Judged)))


class Journal:
    """Append-only. Opening it drops a torn last line, which a killed run leaves behind.

    `inputs_seed` is what a new journal begins with, and then the one that this journal began with. `entries` and
    `answers`, the parts of each iteration's answer, are what the file held when it was opened. Raises JournalError when
    it was begun with another fingerprint or schema.
    """

    def __init__(self, path: Path, fingerprint: str, inputs_seed: int) -> None:
        self.path = path
        if path.exists():
            _drop_torn_line(path)
        records = list(_read(path)) if path.exists() else []
        if not records:
            path.write_bytes(b"")
            records = [Began(fingerprint, inputs_seed)]
            self.append(records[0])
        began = _beginning(path, records, "choose another folder")
        if began.fingerprint != fingerprint:
            raise JournalError(
                f"{path} belongs to a run with another task, model, strategy, device or seed; "
                "resume it with the same settings, or choose another folder"
            )
        self.inputs_seed = began.inputs_seed
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


def _drop_torn_line(path: Path) -> None:
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def _beginning(path: Path, records: Sequence[Record], advice: str) -> Began:
    first = records[0] if records else None
    if not isinstance(first, Began) or first.schema != SCHEMA:
        raise JournalError(f"{path} was not written by this version of metalsci; {advice}")
    return first


def _read(path: Path) -> Iterator[Record]:
    """The whole records of a journal, less what a killed process left after the last newline."""
    data = path.read_bytes()
    decoder = msgspec.json.Decoder(Record)
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            raise JournalError(f"{path}:{number} is not a journal record: {error}") from error
