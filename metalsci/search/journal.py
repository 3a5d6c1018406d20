"""The journal: one JSON record for each step of a run, on disk before the next step. It is the run's only state.

    began                   which run this is
    asked                   requests of the strategy, before a model is asked
    answered                one part of a model's answer, before anything else happens to it
    judged                  the evaluation of a request's answer; the strategy is told now
    learned                 the lessons of the search from here on

Each line carries a link of a hash chain: see hash_chain.py. The order of `asked` and `judged` is the order of `ask` and
`tell`, which a resumed run repeats. A text is written once: a candidate that stands in its answer is recorded as a
place there.
"""

import os
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec

from metalsci.devices.protocol import Machine
from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation
from metalsci.models.continuation import join
from metalsci.models.protocol import Response
from metalsci.models.record import Answered
from metalsci.search.archive import Entry, Likeness
from metalsci.search.hash_chain import last_link, linked
from metalsci.search.lessons import Lessons
from metalsci.search.request import Request
from metalsci.search.spoken_words import Word

SCHEMA = 3
_BLOCK = 1 << 16  # bytes


class JournalError(Exception):
    """The journal does not belong to this run, or is not a journal; the message says what to do."""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """First record.

    fingerprint: digest of everything that makes two runs the same: task, model, strategy, device, seed.
    inputs_seed: of the inputs on which the run judges its candidates.
    machine: the description of the device that models get. Measured ceilings are part of it, and would differ when a
        run is resumed or replayed.
    """

    fingerprint: str
    inputs_seed: int = 0
    machine: Machine = Machine()
    schema: int = SCHEMA
    lessons: Lessons = Lessons()


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """One call of `Strategy.ask`: the number of requests that were wanted, and the requests that came.

    word: a person's, which was taken before; its note stands in the requests.
    """

    wanted: int
    requests: tuple[Request, ...]
    word: Word = Word()


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """An entry without the facts that other records hold. `source` is a text, or begin and end of it in the answer."""

    id: int
    evaluation: Evaluation
    source: tuple[int, int] | str | None = None
    spelling: str = ""
    seconds: Mapping[str, float] = {}
    decision: Decision | None = None
    also: tuple[str, ...] = ()
    likeness: Likeness | None = None


class Learned(msgspec.Struct, frozen=True, tag="learned"):
    """Lessons after so many attempts, and the answer of the model that distilled them, if one did."""

    after: int
    prefer: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    response: Response | None = None

    @property
    def lessons(self) -> Lessons:
        return Lessons(self.prefer, self.avoid)


Record = Began | Asked | Answered | Judged | Learned
Event = Asked | Answered | Entry | Learned


class Log(Protocol):
    """The part of a journal that a search needs; see Journal, which is a file, and MemoryJournal."""

    def events(self) -> Iterator[Event]:
        """Return the events that were recorded before this search, in order."""

    @property
    def judged(self) -> Container[int]:
        """The requests whose evaluation is among the events."""

    @property
    def heard(self) -> Mapping[int, Sequence[Answered]]:
        """Parts of the answers that were recorded and not judged, by request."""

    def ask(self, asked: Asked) -> None: ...

    def answer(self, answered: Answered) -> None: ...

    def judge(self, entry: Entry, answer: str | None) -> None:
        """Record an entry; `answer` is the text in which its source may stand."""

    def learn(self, learned: Learned) -> None: ...


class Journal:
    """A Log in a file. Opening it drops a torn last line, which a killed run leaves behind.

    A new journal begins with `inputs_seed`, `machine` and `lessons`; for an existing one they are read from it. Raises
    JournalError if the file was begun with another fingerprint or schema.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        inputs_seed: int,
        machine: Callable[[], Machine] = Machine,
        lessons: Callable[[], Lessons] = Lessons,
    ) -> None:
        self.path = path
        self._lock = threading.Lock()  # answers that arrive side by side
        if path.exists():
            _drop_torn_line(path)
        self._link = last_link(path) if path.exists() else ""
        if not path.exists() or not path.stat().st_size:
            path.write_bytes(b"")
            self._append(Began(fingerprint, inputs_seed, machine(), lessons=lessons()))
        began = _beginning(path, "choose another folder")
        if began.fingerprint != fingerprint:
            raise JournalError(
                f"{path} belongs to a run with another task, model, strategy, device or seed; "
                "resume it with the same settings, or choose another folder"
            )
        self.inputs_seed = began.inputs_seed
        self.machine = began.machine
        self.lessons = began.lessons
        self._end = path.stat().st_size
        self.judged = _judged(path, self._end)
        self.heard = _heard(path, self._end, self.judged)

    def events(self) -> Iterator[Event]:
        """Read the events that the file held when it was opened. Raises JournalError for a line that is no record."""
        return _events(self.path, self._end)

    def ask(self, asked: Asked) -> None:
        self._append(asked)

    def answer(self, answered: Answered) -> None:
        self._append(answered)

    def judge(self, entry: Entry, answer: str | None) -> None:
        self._append(_record(entry, answer))

    def learn(self, learned: Learned) -> None:
        self._append(learned)

    def _append(self, record: Record) -> None:
        """Write a record to disk before returning.

        Raises OSError (disk full, read-only) and leaves no half-written line.
        """
        with self._lock, self.path.open("ab") as file:
            end = file.tell()
            line, link = linked(msgspec.json.encode(record), self._link)
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, end)
                raise
            self._link = link


class MemoryJournal:
    """A Log without a file, for searches that need no resuming: synthetic landscapes, recorded answers."""

    judged: Container[int] = frozenset()
    heard: Mapping[int, Sequence[Answered]] = MappingProxyType({})

    def events(self) -> Iterator[Event]:
        return iter(())

    def ask(self, asked: Asked) -> None: ...

    def answer(self, answered: Answered) -> None: ...

    def judge(self, entry: Entry, answer: str | None) -> None: ...

    def learn(self, learned: Learned) -> None: ...


@dataclass(frozen=True)
class Recording:
    """A recorded run: the seed of its inputs, its entries in the order of telling, and its schedule.

    The schedule holds the number of requests asked for each time, and the ids of the answers as they were judged.
    `lessons` are those with which it began, `learned` those of its own, by the number of attempts before.
    """

    inputs_seed: int
    entries: tuple[Entry, ...]
    schedule: tuple[Asked | int, ...] = ()
    machine: Machine = field(default_factory=Machine)
    lessons: Lessons = field(default_factory=Lessons)
    learned: Mapping[int, Learned] = field(default_factory=dict)


def read_recording(path: Path) -> Recording:
    """Read another run's journal without changing it. Raises JournalError if it is no journal of this version."""
    began = _beginning(path, "model.strict=false takes its answers all the same")
    entries: list[Entry] = []
    schedule: list[Asked | int] = []
    learned: dict[int, Learned] = {}
    for event in _events(path, path.stat().st_size):
        if isinstance(event, Asked):
            if event.requests:  # none came with a person's stop
                schedule.append(event)
        elif isinstance(event, Entry):
            entries.append(event)
            if event.iteration:
                schedule.append(event.iteration)
        elif isinstance(event, Learned):
            learned[event.after] = event
    return Recording(began.inputs_seed, tuple(entries), tuple(schedule), began.machine, began.lessons, learned)


def recorded_entries(path: Path) -> Iterator[Entry]:
    """Read the entries of another run's journal one at a time, for readers that keep little of each.

    Raises JournalError at the first line that is no record of this version, after what came before it.
    """
    _beginning(path, "so it cannot be read")
    return (event for event in _events(path, path.stat().st_size) if isinstance(event, Entry))


def _record(entry: Entry, answer: str | None) -> Judged:
    place: tuple[int, int] | str | None = entry.source
    if entry.source is not None and answer is not None:
        begin = answer.find(entry.source)
        if begin >= 0:
            place = (begin, begin + len(entry.source))
    return Judged(
        entry.iteration,
        entry.evaluation,
        place,
        entry.spelling,
        entry.seconds,
        entry.decision,
        entry.also,
        entry.likeness,
    )


def _events(path: Path, end: int) -> Iterator[Event]:
    """Yield requests, parts of answers and entries. An entry is put together from its three records."""
    decoder = msgspec.json.Decoder(Record)
    requests: dict[int, Request] = {}
    answers: dict[int, list[Response]] = {}
    for number, line in _lines(path, end):
        try:
            record = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise JournalError(f"{path}:{number} is not a journal record: {error}") from error
        if isinstance(record, Judged):
            yield _entry(record, requests.pop(record.id, None), answers.pop(record.id, []))
            continue
        if isinstance(record, Learned):
            yield record
        elif isinstance(record, Asked):
            requests.update({request.id: request for request in record.requests})
            yield record
        elif isinstance(record, Answered):
            answers.setdefault(record.id, []).append(record.response)
            yield record


def _entry(judged: Judged, request: Request | None, parts: Sequence[Response]) -> Entry:
    answer = join(parts) if parts else None
    source = judged.source
    if isinstance(source, tuple):
        begin, end = source
        source = answer.text[begin:end] if answer else None
    reply = answer.reply if answer else None
    return Entry(
        judged.id,
        source,
        judged.evaluation,
        request,
        reply,
        judged.seconds,
        judged.decision,
        judged.spelling,
        judged.also,
        judged.likeness,
    )


def _judged(path: Path, end: int) -> frozenset[int]:
    heads = msgspec.json.Decoder(_Head)
    lines = (line for _, line in _lines(path, end) if line.startswith(b'{"type":"judged"'))
    return frozenset(heads.decode(line).id for line in lines)


def _heard(path: Path, end: int, judged: Container[int]) -> dict[int, list[Answered]]:
    """Return the parts of answers without a `judged` record. They are few, so the file is read again for them."""
    heads = msgspec.json.Decoder(_Head)
    parts: dict[int, list[Answered]] = {}
    for _, line in _lines(path, end):
        if line.startswith(b'{"type":"answered"') and heads.decode(line).id not in judged:
            part = msgspec.json.decode(line, type=Answered)
            parts.setdefault(part.id, []).append(part)
    return parts


class _Head(msgspec.Struct):
    id: int


def _lines(path: Path, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered whole lines of the first `end` bytes, without a torn last line from a killed process."""
    at = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            at += len(line)
            if at > end or not line.endswith(b"\n"):
                return
            yield number, line


def _beginning(path: Path, advice: str) -> Began:
    """Return the first record. Raises JournalError if it is none, or of another version."""
    with path.open("rb") as file:
        first = file.readline()
    try:
        began = msgspec.json.decode(first, type=Began)
    except msgspec.DecodeError as error:
        raise JournalError(f"{path}:1 is not a journal record: {error}") from error
    if began.schema != SCHEMA:
        raise JournalError(
            f"{path} has schema {began.schema} and was not written by this version of metalsci, which reads "
            f"schema {SCHEMA}; {advice}"
        )
    return began


def _drop_torn_line(path: Path) -> None:
    size = at = path.stat().st_size
    with path.open("rb") as file:
        while at:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            newline = file.read(at - begin).rfind(b"\n")
            if newline >= 0:
                break
            at = begin
    whole = begin + newline + 1 if at else 0
    if whole < size:
        os.truncate(path, whole)
