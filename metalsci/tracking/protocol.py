"""The tracker protocol: where the figures of a run go, beside its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metalsci.search.archive import Archive
from metalsci.tracking.summary import Summary


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run before it starts. `group` is shared by the runs of a sweep."""

    name: str
    task: str
    model: str
    group: str | None
    folder: Path
    config: Mapping[str, object]


class Tracker(Protocol):
    def start(self, info: RunInfo) -> str:
        """Begin; a sentence for the console about where the figures go, empty for nowhere."""

    def step(self, text: str) -> None: ...

    def entry(self, archive: Archive) -> None:
        """An iteration ended; it is the archive's last entry."""

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        """The run came to its end; `files` are the kernels and results to keep with it. A sentence for the console
        about what could not be kept, empty if all was: the run has its result anyway."""

    def close(self, failed: bool) -> None:
        """Called once, however the run ended."""
