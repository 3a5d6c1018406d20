"""The groups that chapters share: runs put together by task and by model, colours, shapes of verdicts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.report.charts import COLOURS, Key
from metalsci.report.reported_run import ReportedRun

SHAPES = {
    "generalizes": "circle",
    "tied": "diamond",
    "undecided": "ring",
    "would not transfer": "plus",
    "regresses": "triangle",
    "wrong": "cross",
    "unsound": "plus",
    "suspect": "square",
}
SIGNS = ("circle", "diamond", "triangle", "square", "plus", "cross", "ring")
_UNKNOWN = "?"  # of a run whose record does not say, or cannot be read
TONES = {
    "generalizes": "good",
    "would not transfer": "bad",
    "regresses": "bad",
    "wrong": "bad",
    "unsound": "bad",
    "suspect": "bad",
}


@dataclass(frozen=True)
class Columns:
    """The models of a report, those with the most runs first, each with its colour and its sign.

    A model that ran on several devices, or by several strategies on one, is a column for each: the mean of their
    speedups would be nobody's. by_device: models; by_strategy: models with the device.
    """

    names: tuple[str, ...]
    by_device: frozenset[str]
    by_strategy: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, runs: Sequence[ReportedRun]) -> "Columns":
        devices: dict[str, set[str]] = {}
        strategies: dict[tuple[str, str], set[str]] = {}
        for run in runs:
            devices.setdefault(run.model, set()).add(run.device)
            strategies.setdefault((run.model, run.device), set()).add(run.strategy)
        by_device = frozenset(model for model, found in devices.items() if len(found - {_UNKNOWN}) > 1)
        by_strategy = frozenset(key for key, found in strategies.items() if len(found - {_UNKNOWN}) > 1)
        unsorted = cls((), by_device, by_strategy)
        counts = Counter(map(unsorted.column, runs))
        return cls(tuple(sorted(counts, key=lambda name: (-counts[name], name))), by_device, by_strategy)

    def column(self, run: ReportedRun) -> str:
        parts = [run.model]
        if run.model in self.by_device:
            parts.append(run.device)
        if (run.model, run.device) in self.by_strategy:
            parts.append(run.strategy)
        if not run.measured:
            parts[-1] += ", predicted"
        return " · ".join(parts)

    def series(self, run: ReportedRun) -> int:
        return self.names.index(self.column(run)) % COLOURS

    def sign(self, run: ReportedRun) -> str:
        """Return the sign of its model, so that colours are not all that tells models apart."""
        return SIGNS[self.names.index(self.column(run)) % len(SIGNS)]

    def legend(self, shape: str = "") -> list[Key]:
        """List the models with their signs. shape: of all; each model's own sign without."""
        return [Key(name, i % COLOURS, shape or SIGNS[i % len(SIGNS)]) for i, name in enumerate(self.names)]


def by_task(runs: Sequence[ReportedRun]) -> dict[str, list[ReportedRun]]:
    found: dict[str, list[ReportedRun]] = {}
    for run in sorted(runs, key=lambda run: run.task):
        found.setdefault(run.task, []).append(run)
    return found
