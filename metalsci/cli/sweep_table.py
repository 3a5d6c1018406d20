"""The end of a sweep: a table over its runs and one over its tasks and models, on the console and in files.

sweep.json holds the summaries by folder, sweep.csv a row a run, sweep.md both tables.
"""

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from metalsci.cli.command_record import forget_sweep, record_sweep
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE
from metalsci.cli.sweep_record import LOCK, distinctions
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.files.whole_files import read_json, write_json, write_text
from metalsci.report.means import geometric_mean

Result = dict[str, Any]
Table = Sequence[Sequence[str]]  # the first row is the head

_FIELDS = ("run", "task", "model", "seed", "self_speedup", "best_iteration", "iterations", "heldout_speedup", "phi")
_NO_RESULT = "no result: see its metalsci.log"


class SweepTable(Callback):
    """A Hydra callback, named in conf/hydra/default.yaml. Exits with 1 if a run has no result, with 2 if none began."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def __getstate__(self) -> dict[str, None]:
        return {"_lock": None}  # launchers send callbacks to other processes, which do not hold it

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        record_sweep(folder, sys.argv[1:])
        lock = FileLock(folder / LOCK, timeout=0.5)
        with suppress(Timeout, OSError):  # it only shows those who watch that the sweep is at work
            lock.acquire()
            self._lock = lock

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        from rich.table import Table as RichTable

        from metalsci.tracking.console import make_console

        folder = Path(config.hydra.sweep.dir)
        if self._lock is not None:
            self._lock.release()
        if sys.exc_info()[1] is not None:
            return  # Hydra 1.4 comes here with an interrupt or a refusal too, which says what to do
        results = {job.relative_to(folder).as_posix(): summary(job) for job in jobs(folder)}
        console = make_console()
        if config.get("dry_run"):
            forget_sweep(folder, Path(config.paths.outputs))
            return
        if not results:  # every run was refused, with its reason
            console.print("no run of this sweep has begun", highlight=False, soft_wrap=True)
            forget_sweep(folder, Path(config.paths.outputs))
            sys.exit(EXIT_USAGE)
        settings = distinctions({name: folder / name for name in results})
        by_run, by_seed = runs_table(results, settings), seeds_table(results, settings)
        tables = {f"sweep {folder}": by_run, "over the seeds": by_seed}
        write_json(folder / "sweep.json", results)
        write_text(folder / "sweep.csv", as_csv(results, settings))
        write_text(folder / "sweep.md", "\n".join(f"## {title}\n\n{_markdown(t)}" for title, t in tables.items()))
        for title, table in tables.items():
            shown = RichTable(title=title, title_justify="left", title_style="bold")
            for name in table[0]:
                shown.add_column(name)
            for row in table[1:]:
                shown.add_row(*row)
            console.print(shown)
        for sentence in _tell_trackers(config, folder, {"runs": by_run, "seeds": by_seed}):
            console.print(sentence, style="dim", highlight=False, markup=False, soft_wrap=True)
        if None in results.values():
            console.print(f"to resume: python -m metalsci.run resume={folder}", highlight=False, soft_wrap=True)
            sys.exit(EXIT_FAILED)  # Hydra turns a callback's exceptions into warnings


def _tell_trackers(config: DictConfig, folder: Path, tables: Mapping[str, Table]) -> Iterator[str]:
    """Tell the trackers, and yield sentences about what could not be kept.

    Settings that every run refused are not said again.
    """
    for node, name in [(config, "tracker"), *((config.observers, each) for each in config.get("observers", {}))]:
        try:
            observer = make(node, name)
        except (ConfigError, OmegaConfBaseException):
            continue
        sentence = observer.sweep(folder, tables, folder.as_posix())
        if sentence:
            yield sentence


def unfinished(folder: Path) -> list[Path]:
    """Return the folders of a sweep's runs that can be resumed."""
    return [job for job in jobs(folder) if (job / "journal.jsonl").exists() and summary(job) is None]


def jobs(folder: Path) -> list[Path]:
    """Return the folders of a sweep's runs, as deep as hydra.sweep.subdir puts them, in the order of running."""
    found = [path.parent for path in folder.rglob(".hydra") if path.parent != folder]
    return sorted(found, key=lambda job: (len(job.name), job.as_posix()))


def summary(job: Path) -> Result | None:
    """Read the result of a run; None if it has not ended, or its file is not whole."""
    return read_json(job / "summary.json", dict[str, Any])


def runs_table(results: Mapping[str, Result | None], settings: Mapping[str, str]) -> Table:
    """Make a table with a row for each run. settings: in which the runs differ, by run."""
    rows = [["run", "task", "model", "seed", "self-speedup", "found at", "held-out", "verdict"]]
    for job, result in results.items():
        if result is None:
            rows.append([job, "", "", "", "", "", "", _NO_RESULT])
            continue
        gate = result["gate"]
        if gate["heldout_speedup"]:
            heldout = _times(gate["heldout_speedup"])
        else:
            heldout = ""
        found = f"{result['best_iteration']}/{result['iterations']}"
        told = [result["task"], result["model"], str(result["seed"]), _times(result["self_speedup"])]
        rows.append([job, *told, found, heldout, gate["verdict"]])
    return _with_settings(rows, 4, ["settings", *(settings.get(job, "") for job in results)])


def seeds_table(results: Mapping[str, Result | None], settings: Mapping[str, str]) -> Table:
    """Make a table with a row for each task × model × settings: geometric means over the seeds, with their intervals.

    settings: in which the runs differ, by run.
    """
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for job, result in results.items():
        if result is not None:
            groups.setdefault((result["task"], result["model"], settings.get(job, "")), []).append(result)
    rows = [["task", "model", "runs", "self-speedup", "95 %", "held-out", "95 %", "generalizes"]]
    for (task, model, _), members in groups.items():
        search = geometric_mean([member["self_speedup"] for member in members])
        gate = geometric_mean([s for member in members if (s := member["gate"]["heldout_speedup"])])
        general = sum(member["gate"]["verdict"] == "generalizes" for member in members)
        counted = f"{general}/{len(members)}"
        rows.append([task, model, str(len(members)), *search.told(), *gate.told(), counted])
    return _with_settings(rows, 2, ["settings", *(told for _, _, told in groups)])


def _with_settings(rows: list[list[str]], place: int, column: Sequence[str]) -> Table:
    """Put in a column before `place`, if any row but the head has something in it."""
    if not any(column[1:]):
        return rows
    return [[*row[:place], cell, *row[place:]] for row, cell in zip(rows, column, strict=True)]


def as_csv(results: Mapping[str, Result | None], settings: Mapping[str, str]) -> str:
    """Write a row for each run, with all digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_FIELDS, "verdict", "tokens", "dollars", "seconds", "settings"])
    for job, result in results.items():
        if result is None:
            writer.writerow([job])
            continue
        gate, spent = result["gate"], result["spent"]
        known = {"run": job, **gate, **result}
        figures = [spent["tokens"], spent["dollars"], result["seconds"]["total"]]
        writer.writerow([*(known[name] for name in _FIELDS), gate["verdict"], *figures, settings.get(job, "")])
    return out.getvalue()


def _markdown(table: Table) -> str:
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def _times(value: float) -> str:
    return f"{value:.2f}×"
