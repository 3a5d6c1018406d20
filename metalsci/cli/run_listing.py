"""Runs in a list, and a sweep that is watched while it runs."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from metalsci.cli.command_record import recorded
from metalsci.files.locations import shown
from metalsci.report.contents import read_runs
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import times
from metalsci.tracking.console import make_console

FILTERS = ("task", "model", "strategy", "device", "status", "verdict", "seed", "sweep")
_STYLES = {"running": "cyan", "stopped": "yellow", "imported": "dim"}


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted: below `places`, and those whose facts match every pattern, e.g. model=gemini*."""

    places: Sequence[Path]
    wanted: Mapping[str, str]

    def runs(self) -> list[ReportedRun]:
        return [run for run in read_runs(self.places) if self._fits(run)]

    def _fits(self, run: ReportedRun) -> bool:
        facts = {name: str(getattr(run, name, "")) for name in FILTERS} | {"sweep": str(sweep_of(run) or "")}
        return all(fnmatchcase(facts[name], f"*{told}*") for name, told in self.wanted.items())


def sweep_of(run: ReportedRun) -> Path | None:
    """Find the folder of the sweep that a run is of; None for a run of its own."""
    return next((parent for parent in run.folder.parents if (parent / "multirun.yaml").is_file()), None)


def command_for(run: ReportedRun) -> str:
    """Return the command that goes on with a run that stopped, or reports one that has ended."""
    folder = shown(run.folder)
    if run.status == "stopped":
        if recorded(run.folder) is None:
            return f"python -m metalsci.report {folder}"
        return f"python -m metalsci.run resume={folder}"
    if run.status == "running":
        return f"python -m metalsci.report {folder} --serve"
    return f"python -m metalsci.report {folder}"


def repeat_command(run: ReportedRun) -> str:
    """Return the command that starts a run with the same settings; empty if they were not recorded."""
    arguments = recorded(run.folder)
    if arguments is None:
        return ""
    return " ".join(["python -m metalsci.run", *map(_quoted, arguments)])


def show_runs(runs: Sequence[ReportedRun]) -> bool:
    """Print the runs, sweep by sweep; False if there is none."""
    console = make_console()
    for sweep, members in _by_sweep(runs).items():
        if sweep is not None:
            _say(console, f"sweep {shown(sweep)}: {_counts(members)}", "bold")
            if any(run.status == "stopped" for run in members):
                _say(console, f"  go on: python -m metalsci.run resume={shown(sweep)}")
            _say(console, f"  report: python -m metalsci.report {shown(sweep)}")
        console.print(_table(members))
        for run in members:
            _say(console, f"  {run.name}: {command_for(run)}", "dim")
            again = repeat_command(run)
            if again:
                _say(console, f"  {' ' * len(run.name)}  again: {again}", "dim")
    return bool(runs)


def as_json(runs: Sequence[ReportedRun]) -> str:
    told = [
        {
            "folder": str(run.folder),
            "task": run.task,
            "model": run.model,
            "strategy": run.strategy,
            "seed": run.seed,
            "status": run.status,
            "iterations": len(run.proposals),
            "of": run.most_iterations,
            "best": run.told_speedup or run.search_speedup,
            "heldout": run.told_heldout,
            "verdict": run.verdict,
            "dollars": run.dollars,
            "next": command_for(run),
            "again": repeat_command(run),
        }
        for run in runs
    ]
    return json.dumps(told, indent=2) + "\n"


def watch(wanted: RunFilter, every: float) -> None:
    """Show the state of runs again and again until none runs and none is left to start."""
    console = make_console()
    with Live(console=console, refresh_per_second=4, transient=console.is_terminal) as live:
        while True:
            runs = wanted.runs()
            live.update(Group(*_state(runs)))
            if not any(run.status == "running" for run in runs):
                break
            time.sleep(every)
    show_runs(runs)


def _state(runs: Sequence[ReportedRun]) -> Iterator[Text | Table]:
    yield Text(_counts(runs), style="bold")
    best: dict[str, ReportedRun] = {}
    for run in runs:
        speedup = run.told_speedup or run.search_speedup or 0.0
        known = best.get(run.task)
        if known is None or speedup > (known.told_speedup or known.search_speedup or 0.0):
            best[run.task] = run
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("task", "best so far", "by", "of run"):
        table.add_column(name)
    for task, run in sorted(best.items()):
        table.add_row(*map(Text, (task, times(run.told_speedup or run.search_speedup), run.model, run.name)))
    yield table
    done = sum(len(run.proposals) for run in runs)
    planned = sum(max(run.most_iterations or 0, len(run.proposals)) for run in runs if run.status != "ended")
    planned += sum(len(run.proposals) for run in runs if run.status == "ended")
    yield Text(f"spent: {done} candidates, ${sum(run.dollars for run in runs):.2f}; left: {planned - done} candidates")


def _counts(runs: Sequence[ReportedRun]) -> str:
    """Count the runs by status: `3 ended, 1 running`."""
    kinds = ("ended", "running", "stopped", "imported")
    counted = {kind: sum(run.status == kind for run in runs) for kind in kinds}
    failed = sum(run.status == "stopped" and bool(run.trouble) for run in runs)
    told = [f"{count} {kind}" for kind, count in counted.items() if count]
    if failed:
        told.append(f"{failed} of them with an error")
    return ", ".join(told)


def _by_sweep(runs: Sequence[ReportedRun]) -> dict[Path | None, list[ReportedRun]]:
    groups: dict[Path | None, list[ReportedRun]] = {}
    for run in runs:
        groups.setdefault(sweep_of(run), []).append(run)
    return groups


def _table(runs: Sequence[ReportedRun]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("run", "task", "model", "seed", "status"):
        table.add_column(name)
    for name in ("candidates", "best", "held-out", "verdict", "tokens", "dollars"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for run in runs:
        cells = [run.name, run.task, run.model, str(run.seed if run.seed is not None else "")]
        figures = [
            f"{len(run.proposals)}/{run.most_iterations or '?'}",
            times(run.told_speedup or run.search_speedup),
            times(run.told_heldout),
            run.verdict or "".join(run.trouble[:1]),
            f"{run.tokens:,}",
            f"{run.dollars:.2f}",
        ]
        row = [Text(cell) for cell in cells] + [Text(run.status, style=_STYLES.get(run.status, ""))]
        table.add_row(*row, *map(Text, figures))
    return table


def _quoted(argument: str) -> str:
    import shlex

    return shlex.quote(argument)


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)
