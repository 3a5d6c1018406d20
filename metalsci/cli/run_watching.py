"""Runs that are watched until they have ended: how many are done, the best of each task, what is spent and left."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from metalsci.cli.run_listing import RunFilter, counts, show_runs
from metalsci.cli.sweep_record import is_at_work, jobs_to_begin
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import counted, times
from metalsci.tracking.console import make_console


@dataclass(frozen=True)
class Watched:
    """One look at the runs. waiting: jobs of sweeps at work that have not begun; is_over: nothing runs or will."""

    runs: Sequence[ReportedRun]
    waiting: int
    is_over: bool

    @classmethod
    def now(cls, wanted: RunFilter) -> "Watched":
        runs = wanted.runs()
        at_work = [sweep for sweep in wanted.sweeps(runs) if is_at_work(sweep)]
        waiting = sum(map(jobs_to_begin, at_work))
        return cls(runs, waiting, not at_work and not any(run.status == "running" for run in runs))

    @property
    def counts(self) -> str:
        waiting = f"{self.waiting} waiting" if self.waiting else ""
        return ", ".join(filter(None, [counts(self.runs), waiting])) or "no run has begun"

    @property
    def spent(self) -> str:
        """Say what is spent, and what the runs and those that wait may still take, if they go on as they did."""
        done = sum(len(run.proposals) for run in self.runs)
        open_runs = [run for run in self.runs if run.status == "running"]
        left = sum(max(0, (run.most_iterations or 0) - len(run.proposals)) for run in open_runs)
        planned = [run.most_iterations or 0 for run in self.runs]
        if planned:
            left += round(self.waiting * sum(planned) / len(planned))
        seconds = sum(iteration.seconds.get("total", 0.0) for run in self.runs for iteration in run.iterations)
        told = f"spent: {counted(done, 'candidate')}, {_minutes(seconds)}, ${sum(run.dollars for run in self.runs):.2f}"
        if not left:
            return told
        told += f"; left: at most {counted(left, 'candidate')}"
        return f"{told}, about {_minutes(seconds * left / done)}" if done else told

    def best(self) -> Table:
        """Make a table of the best run of each task."""
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("task", "best so far", "by", "of run"):
            table.add_column(name)
        for task in sorted({run.task for run in self.runs}):
            best = max((run for run in self.runs if run.task == task), key=_speedup)
            table.add_row(*map(Text, (task, times(_speedup(best) or None), best.model, best.name)))
        return table


def watch(wanted: RunFilter, every: float) -> bool:
    """Show the state of runs again and again until none runs and none is left to start, then list them.

    In a file or a pipe: a line whenever it has changed. False if there was no run.
    """
    console = make_console()
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while not (seen := Watched.now(wanted)).is_over:
                live.update(Group(Text(seen.counts, style="bold"), seen.best(), Text(seen.spent)))
                time.sleep(every)
    else:
        said = ""
        while not (seen := Watched.now(wanted)).is_over:
            told = f"{seen.counts}; {seen.spent}"
            if told != said:
                console.print(told, highlight=False, markup=False, soft_wrap=True)
            said = told
            time.sleep(every)
    if not show_runs(seen.runs):
        return False
    console.print(Group(Text(seen.counts, style="bold"), seen.best(), Text(seen.spent)))
    return True


def _speedup(run: ReportedRun) -> float:
    return run.told_speedup or run.search_speedup or 0.0


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
