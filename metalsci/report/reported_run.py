"""One run as a report knows it: figures and sentences, without the texts of its candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.virtual.forecast import Forecast
from metalsci.evaluation.paired import Duel
from metalsci.evaluation.results import Outcome
from metalsci.gate.verdicts import GateResult
from metalsci.models.protocol import Usage


@dataclass(frozen=True, slots=True)
class Reached:
    """The rate of a candidate at one size. footprint: bytes that the program touches, 0 if that was not recorded."""

    label: str
    achieved: float
    ceiling: float
    unit: str
    reachable: float
    footprint: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Iteration:
    """One candidate. kind: of a failure, in words.

    sizes, forecast: of the seed kernel and of those that became the incumbent.
    """

    number: int
    outcome: Outcome
    score: float
    promoted: bool
    parents: tuple[int, ...]
    model: str
    idea: str
    kind: str
    message: str
    seconds: Mapping[str, float]
    usage: Usage
    cost: float | None
    note: Mapping[str, Any]
    sizes: tuple[Reached, ...] = ()
    forecast: Forecast | None = None

    @property
    def name(self) -> str:
        """As a person calls it."""
        if self.number:
            return f"iteration {self.number}"
        return "seed kernel"


@dataclass(frozen=True)
class Published:
    """The printed figures of an imported run, where it prints it."""

    source: str
    self_speedup: float | None = None
    heldout_speedup: float | None = None


@dataclass(frozen=True)
class ReportedRun:
    """name: as a person tells runs apart. iterations: the seed kernel first; empty if there is no journal.

    status: ended, running, stopped or imported. most_iterations: of the budget. trouble: sentences about what could not
    be read. measured: whether times are a clock's; those of the virtual GPU are predicted.
    self_speedup and best_iteration: confirmed after the search, None while there is no result.
    """

    folder: Path
    name: str
    status: str
    task: str
    model: str
    strategy: str
    device: str
    seed: int | None
    config: Mapping[str, Any] = field(default_factory=dict)
    iterations: tuple[Iteration, ...] = ()
    most_iterations: int | None = None
    seed_score: float | None = None
    best_score: float | None = None
    self_speedup: float | None = None
    best_iteration: int | None = None
    ended_by: str = ""
    duels: tuple[Duel, ...] = ()
    gate: GateResult | None = None
    ceilings: Ceilings | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    published: Published | None = None
    measured: bool = True
    trouble: tuple[str, ...] = ()

    @property
    def proposals(self) -> tuple[Iteration, ...]:
        """The candidates that a model wrote."""
        return tuple(i for i in self.iterations if i.number)

    @property
    def last_incumbent(self) -> Iteration:
        """The last candidate that became the incumbent; the seed kernel if none did. Of a run that has iterations."""
        return max((i for i in self.iterations if i.promoted), key=lambda i: i.number, default=self.iterations[0])

    @property
    def base(self) -> float:
        """The score of the seed kernel as the search saw it; 0 if it is not known."""
        if self.iterations:
            return self.iterations[0].score
        return 0.0

    def speedup(self, iteration: Iteration) -> float | None:
        """Compute the speedup over the seed kernel, by the search's own scores."""
        if iteration.score and self.base:
            return iteration.score / self.base
        return None

    @property
    def search_speedup(self) -> float | None:
        """The last incumbent's speedup, by the search's own scores, which luck may have raised."""
        if not self.iterations:
            return None
        return self.speedup(self.last_incumbent)

    @property
    def told_speedup(self) -> float | None:
        """The speedup that a table prints: as published if it was, or confirmed."""
        if self.published and self.published.self_speedup is not None:
            return self.published.self_speedup
        return self.self_speedup

    @property
    def told_heldout(self) -> float | None:
        if self.published and self.published.heldout_speedup is not None:
            return self.published.heldout_speedup
        if self.gate:
            return self.gate.heldout_speedup
        return None

    @property
    def verdict(self) -> str:
        if self.gate:
            return str(self.gate.verdict)
        return ""

    @property
    def tokens(self) -> int:
        return sum(i.usage.total for i in self.iterations)

    @property
    def dollars(self) -> float:
        return sum(i.cost or 0.0 for i in self.iterations)
