"""The observer protocol. The console, Weights & Biases and files of one's own are observers alike.

class Csv(Observer):
    def start(self, info):
        self._file = (info.folder / "scores.csv").open("w", encoding="utf-8")
        return ""

    def entry(self, archive):
        print(archive.last.iteration, archive.last.score, sep=",", file=self._file)

    def close(self, failed):
        self._file.close()
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from metalsci.search.archive import Archive
from metalsci.tracking.summary import Summary


@dataclass(frozen=True)
class RunInfo:
    """Facts of a run when it starts.

    group: shared by the runs of a sweep. head: sentences for a person, about device, ceilings and folder.
    facts: by name, what a run has found of its machine: device, ceilings, versions, load. tags, notes: the user's.
    """

    name: str
    task: str
    model: str
    group: str | None
    folder: Path
    config: Mapping[str, object]
    head: Sequence[str] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    tags: Sequence[str] = ()
    notes: str = ""


# Each method does something, if only to return: mypy takes an empty one of a protocol for abstract.
class Observer(Protocol):
    """Follower of a run. Derive from it and override the methods of interest; the rest does nothing.

    An observer cannot end a run: one that raises is named on the console once, and not called again except to close.
    """

    def start(self, info: RunInfo) -> str:
        """Begin. Return a sentence for the console, e.g. where the figures go, or an empty string."""
        return ""

    def step(self, text: str) -> None:
        """Learn the current step, in a few words."""
        return

    def entry(self, archive: Archive) -> None:
        """Learn that an iteration ended; it is the archive's last entry. The seed kernel is the first."""
        return

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        """Learn the result. Return a sentence about anything that could not be kept, empty if all was.

        files: the kernels and results that belong to it.
        """
        return ""

    def sweep(self, folder: Path, tables: Mapping[str, Sequence[Sequence[str]]], group: str) -> str:
        """Learn that a sweep ended: its tables, the first row of each being its head. Return what could not be kept.

        Of an observer that followed no run; group: what the sweep's runs were told as theirs.
        """
        return ""

    def close(self, failed: bool) -> None:
        """Release everything. Called once, however the run ended."""
        return
