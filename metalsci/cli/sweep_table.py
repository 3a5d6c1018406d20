"""The end of a sweep: a table over its runs and one over its tasks and models, on the console and in files.

sweep.json holds the summaries by folder, sweep.csv a row a run, sweep.md both tables.
"""

import csv
import io
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from metalsci.cli.command_record import forget_sweep, record_sweep
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE
from metalsci.files.whole_files import read_json, write_json, write_text

Result = dict[str, Any]
Table = Sequence[Sequence[str]]  # the first row is the head

# Student's t at 97.5 %, by degrees of freedom from 1. Beyond, its expansion around the normal distribution's 1.96 is
# right to three digits.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
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
        if None in results.values():
            console.print(f"to resume: python -m metalsci.run resume={folder}", highlight=False, soft_wrap=True)
            sys.exit(EXIT_FAILED)  # Hydra turns a callback's exceptions into warnings


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


@dataclass(frozen=True)
class Mean:
    """A geometric mean. low, high: the 95 % interval of the mean; NaN for fewer than two values."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def told(self) -> tuple[str, str]:
        if math.isnan(self.value):
            return "", ""
        return _times(self.value), "" if math.isnan(self.low) else f"{self.low:.2f}–{self.high:.2f}"


def geometric_mean(values: Sequence[float]) -> Mean:
    """Compute the mean of ratios, with Student's interval over their logarithms.

    Values that are not positive are left out.
    """
    logs = [math.log(value) for value in values if value > 0]
    if not logs:
        return Mean(math.nan)
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Mean(math.exp(mean))
    half = _students_t(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Mean(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def _students_t(freedom: int) -> float:
    if freedom <= len(_T):
        return _T[freedom - 1]
    return 1.96 + (1.96**3 + 1.96) / (4 * freedom)


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
