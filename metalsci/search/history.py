"""What a search has done so far, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metalsci.evaluation.results import Evaluation
from metalsci.models.protocol import Response


@dataclass(frozen=True)
class Entry:
    """One iteration; iteration 0 is the seed kernel, which no model wrote. `source` is None when the answer held no
    candidate. `seconds` has the iteration's wall-clock time by phase: those of the evaluation, and `model`."""

    iteration: int
    source: str | None
    evaluation: Evaluation
    response: Response | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return self.evaluation.score


@dataclass(frozen=True)
class History:
    """All entries in order, the seed kernel first. `incumbent` is the best correct candidate so far."""

    entries: tuple[Entry, ...]

    @property
    def seed(self) -> Entry:
        return self.entries[0]

    @property
    def last(self) -> Entry:
        return self.entries[-1]

    @property
    def incumbent(self) -> Entry:
        """The earliest of the highest score: a tie does not unseat."""
        return max(self.entries, key=lambda e: e.score)

    @property
    def proposals(self) -> tuple[Entry, ...]:
        return self.entries[1:]

    @property
    def tried(self) -> tuple[str, ...]:
        return tuple(e.source for e in self.entries if e.source is not None)

    def self_speedup(self, entry: Entry) -> float | None:
        """Score over the seed kernel's score; None for a candidate without one."""
        return entry.score / self.seed.score if entry.score and self.seed.score else None

    def add(self, entry: Entry) -> "History":
        return History((*self.entries, entry))
