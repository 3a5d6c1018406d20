"""The end of a sweep: a table over its runs and one over its tasks and models, on the console and in files.

sweep.json holds the summaries by folder, sweep.csv a row a run, sweep.md both tables.
"""

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from metalsci.cli.command_record import forget_sweep, record_sweep
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.files.whole_files import read_json, write_json, write_text
from metalsci.report.means import geometric_mean

Result = dict[str, Any]
Table = Sequence[Sequence[str]]  # the first row is the head

_FIELDS = ("run", "task", "model", "seed", "self_speedup", "best_iteration", "iterations", "heldout_speedup", "phi")
_NO_RESULT = "no result: see its metalsci.log"


class SweepTable(Callback):
    """A Hydra callback, named in conf/hydra/default.yaml. Exits with 1 if a run has no result, with 2 if none began."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        record_sweep(Path(config.hydra.sweep.dir), sys.argv[1:])

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        from rich.table import Table as RichTable

        from metalsci.tracking.console import make_console

        folder = Path(config.hydra.sweep.dir)
        results = {job.relative_to(folder).as_posix(): summary(job) for job in jobs(folder)}
        console = make_console()
        if not results:  # every run was refused, with its reason
            console.print("no run of this sweep has begun", highlight=False, soft_wrap=True)
            forget_sweep(folder, Path(config.paths.outputs))
            sys.exit(EXIT_USAGE)
        tables = {f"sweep {folder}": runs_table(results), "over the seeds": seeds_table(results)}
        write_json(folder / "sweep.json", results)
        write_text(folder / "sweep.csv", as_csv(results))
        write_text(folder / "sweep.md", "\n".join(f"## {title}\n\n{_markdown(t)}" for title, t in tables.items()))
        for title, table in tables.items():
            shown = RichTable(title=title, title_justify="left", title_style="bold")
            for name in table[0]:
                shown.add_column(name)
            for row in table[1:]:
                shown.add_row(*row)
            console.print(shown)
        for sentence in _tell_trackers(config, folder, {"runs": runs_table(results), "seeds": seeds_table(results)}):
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


def runs_table(results: Mapping[str, Result | None]) -> Table:
    """Make a table with a row for each run."""
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
    return rows


def seeds_table(results: Mapping[str, Result | None]) -> Table:
    """Make a table with a row for each task × model: geometric means over the seeds, with their intervals."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results.values():
        if result is not None:
            groups.setdefault((result["task"], result["model"]), []).append(result)
    rows = [["task", "model", "runs", "self-speedup", "95 %", "held-out", "95 %", "generalizes"]]
    for (task, model), members in groups.items():
        search = geometric_mean([member["self_speedup"] for member in members])
        gate = geometric_mean([s for member in members if (s := member["gate"]["heldout_speedup"])])
        general = sum(member["gate"]["verdict"] == "generalizes" for member in members)
        counted = f"{general}/{len(members)}"
        rows.append([task, model, str(len(members)), *search.told(), *gate.told(), counted])
    return rows


def as_csv(results: Mapping[str, Result | None]) -> str:
    """Write a row for each run, with all digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_FIELDS, "verdict", "tokens", "dollars", "seconds"])
    for job, result in results.items():
        if result is None:
            writer.writerow([job])
            continue
        gate, spent = result["gate"], result["spent"]
        known = {"run": job, **gate, **result}
        figures = [spent["tokens"], spent["dollars"], result["seconds"]["total"]]
        writer.writerow([*(known[name] for name in _FIELDS), gate["verdict"], *figures])
    return out.getvalue()


def _markdown(table: Table) -> str:
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def _times(value: float) -> str:
    return f"{value:.2f}×"
