"""No tracker: everything is in the run folder anyway."""

from collections.abc import Sequence
from pathlib import Path

from metalsci.search.archive import Archive
from metalsci.tracking.protocol import RunInfo
from metalsci.tracking.summary import Summary


class NoTracker:
    def start(self, info: RunInfo) -> str:
        return ""

    def step(self, text: str) -> None:
        pass

    def entry(self, archive: Archive) -> None:
        pass

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        return ""

    def close(self, failed: bool) -> None:
        pass
