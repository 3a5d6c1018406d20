"""The archive: every candidate of a search, in the order in which the strategy was told of them.

Each entry costs constant time, however long the search is: everything that a strategy, a prompt or an observer asks for
is updated as entries arrive. (Walking over all entries each time made an iteration five times slower at 2,400 entries
than at 400.)
"""

import hashlib
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Reply, Tried
from metalsci.search.lessons import Lessons
from metalsci.search.request import Request

_NEAR = 0.9  # of the structure: one changed expression in a kernel of 30 lines


@dataclass(frozen=True, slots=True)
class Likeness:
    """The earlier candidate whose structure a candidate shares most, and the share; see metalsci.search.likeness."""

    iteration: int
    share: float

    @property
    def near(self) -> bool:
        """True for a near-duplicate: a few tokens apart."""
        return self.share >= _NEAR

    def __str__(self) -> str:
        return f"{100 * self.share:.0f} % like {self.iteration}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One candidate with its results. Entry 0 is the seed kernel, which no model wrote.

    iteration: the id of its request, and the number of its files.
    source: None if the answer held no candidate. spelling: see metalsci.msl.language.spelling; empty without a source.
    reply: the facts of the model's answer; its text is in the journal.
    seconds: wall-clock time by phase: the phases of the evaluation, and `model`.
    decision: the promotion rule's; None if it was not asked.
    also: a line on each further candidate of the answer.
    likeness: the earlier candidate that it is most like; None for the seed kernel, and without a source.
    """

    iteration: int
    source: str | None
    evaluation: Evaluation
    request: Request | None = None
    reply: Reply | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    decision: Decision | None = None
    spelling: str = ""
    also: tuple[str, ...] = ()
    likeness: Likeness | None = None

    @property
    def near(self) -> str:
        """The words for a near-duplicate, of which no message tells; empty for others."""
        if self.likeness is None or not self.likeness.near or self.evaluation.outcome is Outcome.DUPLICATE:
            return ""
        return str(self.likeness)

    @property
    def score(self) -> float:
        return self.evaluation.score

    @property
    def correct(self) -> bool:
        return self.evaluation.outcome.correct

    @property
    def promoted(self) -> bool:
        """True if it became the incumbent when it was judged."""
        return self.decision is not None and self.decision.promoted

    @property
    def parents(self) -> tuple[int, ...]:
        if self.request:
            return self.request.parents
        return ()


class Archive:
    """Append-only list of entries. `archive[id]` is the entry of a request.

    `archive[0]` is the start of the search: the seed kernel, or the kernel that was given as a start.
    """

    def __init__(self, seed: Entry) -> None:
        self._entries: list[Entry] = []
        self._by_id: dict[int, Entry] = {}
        self._ordinals: dict[str, int] = {}  # of spellings, in the order in which they were first told
        self._first: list[Entry] = []  # the entry that brought each spelling
        self._tried = Tried()
        self._best: list[Entry] = []
        self._correct: list[Entry] = []
        self._incumbent = seed
        self._given = 1
        self._promoted_at = 1
        self._lessons = Lessons()
        self._append(seed)

    def start_from(self, entry: Entry) -> None:
        """Begin with another kernel than the seed kernel, which stays the baseline of all speedups."""
        self._append(entry)
        self._incumbent = entry
        self._given = self._promoted_at = 2

    def add(self, entry: Entry) -> None:
        """Append an entry. A promoted one becomes the incumbent."""
        self._append(entry)
        if entry.correct:
            self._correct.append(entry)
        if entry.promoted:
            self._incumbent = entry
            self._promoted_at = len(self._entries)

    def learn(self, lessons: Lessons) -> None:
        """Replace the lessons of the search."""
        self._lessons = lessons

    @property
    def lessons(self) -> Lessons:
        """Lessons of this search, and of earlier ones if it has a memory."""
        return self._lessons

    def _append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._by_id[entry.iteration] = entry
        if entry.correct:
            insort(self._best, entry, key=lambda e: -e.score)  # after its equals: the earliest of a score is first
        if entry.spelling and entry.spelling not in self._ordinals:
            self._ordinals[entry.spelling] = len(self._first)
            self._first.append(entry)
            chained = hashlib.sha256(f"{self._tried.digest} {entry.spelling}".encode()).hexdigest()
            self._tried = Tried(self._ordinals, len(self._first), chained)

    def __len__(self) -> int:
        """Count the entries, including the seed kernel and the start."""
        return len(self._entries)

    @property
    def attempts(self) -> int:
        """Count the proposals."""
        return len(self._entries) - self._given

    @property
    def stale(self) -> int:
        """Count the proposals since the incumbent was promoted."""
        return len(self._entries) - self._promoted_at

    def __getitem__(self, iteration: int) -> Entry:
        return self._by_id[iteration]

    def __contains__(self, iteration: int) -> bool:
        return iteration in self._by_id

    @property
    def entries(self) -> Sequence[Entry]:
        """All entries in the order of telling, the seed kernel first. Do not change them."""
        return self._entries

    @property
    def proposals(self) -> Sequence[Entry]:
        """A copy of the entries without seed kernel and start, for reports."""
        return self._entries[self._given :]

    @property
    def seed(self) -> Entry:
        return self._entries[0]

    @property
    def last(self) -> Entry:
        return self._entries[-1]

    @property
    def incumbent(self) -> Entry:
        """The entry that was promoted last, or the seed kernel."""
        return self._incumbent

    @property
    def tried(self) -> Tried:
        """The sources so far. It is a snapshot: later entries are not added to it."""
        return self._tried

    def recent(self, count: int) -> Sequence[Entry]:
        """Return the last `count` proposals, oldest first."""
        return self._entries[max(self._given, len(self._entries) - count) :]

    def recent_correct(self, count: int) -> Sequence[Entry]:
        """Return the last `count` correct proposals, oldest first."""
        return self._correct[max(0, len(self._correct) - count) :]

    def best(self, count: int) -> Sequence[Entry]:
        """Return the `count` correct entries of the highest scores, best first; of equal scores the earliest."""
        return self._best[:count]

    def twin(self, spelling: str) -> Entry | None:
        """Return the first entry with this spelling."""
        ordinal = self._ordinals.get(spelling)
        if ordinal is None:
            return None
        return self._first[ordinal]

    def name(self, entry: Entry) -> str:
        """Name an entry in a sentence."""
        if entry.iteration:
            return f"attempt {entry.iteration}"
        if entry is self.seed:
            return "the seed kernel"
        return "the start of this search"

    def self_speedup(self, entry: Entry) -> float | None:
        """Return its score divided by the seed kernel's score; None for a candidate without one."""
        if entry.score and self.seed.score:
            return entry.score / self.seed.score
        return None
