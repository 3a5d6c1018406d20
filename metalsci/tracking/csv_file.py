"""Figures of each iteration as CSV in the run's folder, for a spreadsheet or a script."""

import csv
from pathlib import Path

from metalsci.search.archive import Archive
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.wandb_figures import iteration_figures

_FIRST = ("iteration", "outcome", "score", "best_score", "speedup", "best_speedup", "tokens_so_far", "dollars_so_far")


class CsvFile(Observer):
    """Figures of each iteration as CSV in the run's folder, with the names that W&B has.

    - name: of the file.
    """

    def __init__(self, *, name: str = "iterations.csv") -> None:
        if Path(name).name != name:
            raise ValueError(f"name={name}: give the name of a file in the run's folder")
        self._name = name
        self._path: Path | None = None
        self._rows: list[dict[str, object]] = []
        self._spent = (0, 0.0)

    def start(self, info: RunInfo) -> str:
        self._path = info.folder / self._name
        return ""

    def entry(self, archive: Archive) -> None:
        """Write the file anew: sizes that a later candidate brings are new columns."""
        assert self._path is not None
        reply = archive.last.reply
        if reply is not None:
            self._spent = (self._spent[0] + reply.usage.total, self._spent[1] + (reply.cost or 0.0))
        self._rows.append(iteration_figures(archive, archive.last, self._spent))
        names = dict.fromkeys([*_FIRST, *(name for row in self._rows for name in row)])
        with self._path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(names), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)
