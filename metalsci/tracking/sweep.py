"""The end of a sweep: one table over its runs, on the console and as sweep.json."""

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.table import Table

from metalsci.files.whole_files import read_json, write_json
from metalsci.tracking.console import make_console


class SweepTable(Callback):
    """A Hydra callback, named in conf/hydra/default.yaml. Exits with 1 if a run has no result."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        results = {job.name: _result(job) for job in _jobs(folder)}
        table = Table(title=f"sweep {folder}", title_justify="left", title_style="bold")
        for name in ("run", "task", "model", "seed"):
            table.add_column(name)
        for name in ("self-speedup", "found at", "held-out", "verdict"):
            table.add_column(name, justify="right")
        for job, result in results.items():
            if result is None:
                table.add_row(job, "", "", "", "", "", "", "no result: see its metalsci.log")
                continue
            gate = result["gate"]
            heldout = f"{gate['heldout_speedup']:.2f}×" if gate["heldout_speedup"] else ""
            found = f"{result['best_iteration']}/{result['iterations']}"
            row = (job, result["task"], result["model"], str(result["seed"]))
            table.add_row(*row, f"{result['self_speedup']:.2f}×", found, heldout, gate["verdict"])
        write_json(folder / "sweep.json", results)
        console = make_console()
        console.print(table)
        if None in results.values():
            console.print(f"go on with: python -m metalsci.run resume={folder}", highlight=False, soft_wrap=True)
            sys.exit(1)  # Hydra turns a callback's exceptions into warnings


def unfinished(folder: Path) -> list[Path]:
    """The folders of a sweep's runs that can be resumed."""
    return [job for job in _jobs(folder) if (job / "journal.jsonl").exists() and _result(job) is None]


def _jobs(folder: Path) -> list[Path]:
    """In the order in which they are run."""
    return sorted((path.parent for path in folder.glob("*/.hydra")), key=lambda job: (len(job.name), job.name))


def _result(job: Path) -> dict[str, Any] | None:
    return read_json(job / "summary.json", dict)
