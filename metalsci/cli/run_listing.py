"""Runs in a list: status, best, verdict, cost, and what to type next."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from metalsci.cli.command_record import recorded
from metalsci.cli.sweep_record import is_at_work, jobs_to_begin
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
        patterns = {name: told if name == "seed" else f"*{told}*" for name, told in self.wanted.items()}
        return all(fnmatchcase(facts[name], pattern) for name, pattern in patterns.items())

    def sweeps(self, runs: Sequence[ReportedRun]) -> list[Path]:
        """Find the sweeps of `runs`, and those in which none has begun yet."""
        begun = [sweep for sweep in map(sweep_of, runs) if sweep is not None]
        named = [place.resolve() for place in self.places if (place / "multirun.yaml").is_file()]
        return list(dict.fromkeys([*begun, *named]))


def sweep_of(run: ReportedRun) -> Path | None:
    """Find the folder of the sweep that a run is of; None for a run of its own."""
    return next((parent for parent in run.folder.parents if (parent / "multirun.yaml").is_file()), None)


def command_for(run: ReportedRun) -> str:
    """Return the command that goes on with a run that stopped, or reports one that has ended."""
    folder = shlex.quote(str(shown(run.folder)))
    if run.status == "stopped":
        if recorded(run.folder) is None:
            return f"python -m metalsci.report {folder}"
        return _command([f"resume={shown(run.folder)}"])
    if run.status == "running":
        return f"python -m metalsci.report {folder} --serve"
    return f"python -m metalsci.report {folder}"


def repeat_command(run: ReportedRun) -> str:
    """Return the command that starts a run with the same settings; empty if they were not recorded."""
    arguments = recorded(run.folder)
    if arguments is None:
        return ""
    return _command(arguments)


def show_runs(runs: Sequence[ReportedRun]) -> bool:
    """Print the runs, sweep by sweep; False if there is none."""
    console = make_console()
    for sweep, members in _by_sweep(runs).items():
        if sweep is not None:
            at_work, to_begin = is_at_work(sweep), jobs_to_begin(sweep)
            missing = f", {to_begin} {'waiting' if at_work else 'not begun'}" if to_begin else ""
            _say(console, f"sweep {shown(sweep)}: {counts(members)}{missing}", "bold")
            if not at_work and (to_begin or any(run.status == "stopped" for run in members)):
                _say(console, f"  go on: {_command([f'resume={shown(sweep)}'])}")
            _say(console, f"  report: python -m metalsci.report {shlex.quote(str(shown(sweep)))}")
            arguments = recorded(sweep)
            if arguments is not None:
                _say(console, f"  again: {_command(['-m', *arguments])}")
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
            "device": run.device,
            "sweep": str(sweep_of(run) or ""),
            "status": run.status,
            "iterations": len(run.proposals),
            "of": run.most_iterations,
            "best": run.told_speedup or run.search_speedup,
            "heldout": run.told_heldout,
            "verdict": run.verdict,
            "tokens": run.tokens,
            "dollars": run.dollars,
            "next": command_for(run),
            "again": repeat_command(run),
        }
        for run in runs
    ]
    return json.dumps(told, indent=2) + "\n"


def counts(runs: Sequence[ReportedRun]) -> str:
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
    for name in ("run", "task", "model", "strategy", "seed", "status"):
        table.add_column(name)
    for name in ("candidates", "best", "held-out", "verdict", "tokens", "dollars"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for run in runs:
        cells = [run.name, run.task, run.model, run.strategy, str(run.seed if run.seed is not None else "")]
        figures = [
            f"{len(run.proposals)}/{run.most_iterations or '?'}",
            times(run.told_speedup or run.search_speedup),
            times(run.told_heldout),
            run.verdict or "".join(run.trouble[:1]),
            "–" if run.published else f"{run.tokens:,}",
            "–" if run.published else f"{run.dollars:.2f}",
        ]
        row = [Text(cell) for cell in cells] + [Text(run.status, style=_STYLES.get(run.status, ""))]
        table.add_row(*row, *map(Text, figures))
    return table


def _command(arguments: Sequence[str]) -> str:
    return " ".join(["python -m metalsci.run", *map(shlex.quote, arguments)])


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)
