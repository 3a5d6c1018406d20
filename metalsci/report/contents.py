"""A report put together: which chapters it has, and how much of each run is shown in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metalsci.report.chapters.convergence import convergence
from metalsci.report.chapters.environments import environments
from metalsci.report.chapters.expenses import expenses
from metalsci.report.chapters.gate_evidence import gate_evidence
from metalsci.report.chapters.generalization import generalization
from metalsci.report.chapters.grouping import Columns
from metalsci.report.chapters.headline import all_runs, headline
from metalsci.report.chapters.lineage import lineage
from metalsci.report.chapters.outcomes import outcomes
from metalsci.report.chapters.populations import populations
from metalsci.report.chapters.profiles import profiles
from metalsci.report.chapters.roofs import rooflines
from metalsci.report.charts import Chapter
from metalsci.report.reported_run import ReportedRun
from metalsci.report.run_reading import find_runs, read_run
from metalsci.report.scales import counted

MOST_LINEAGES = (
    40  # runs whose trees, diffs and counters one page holds; of more, the best of each task and model come first
)


@dataclass(frozen=True)
class Report:
    title: str
    about: str
    chapters: tuple[Chapter, ...]


def read_runs(places: Sequence[Path]) -> list[ReportedRun]:
    """Read every run in and below the folders, named by its place below what all of them share."""
    folders = find_runs(places)
    return [read_run(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def put_together(runs: Sequence[ReportedRun]) -> Report:
    columns = Columns.of(runs)
    chapters = [
        headline(runs, columns),
        convergence(runs, columns),
        generalization(runs, columns),
        rooflines(runs, columns),
        outcomes(runs, columns),
        expenses(runs, columns),
        _lineages(runs, columns),
        populations(runs),
        profiles(runs, MOST_LINEAGES),
        gate_evidence(runs),
        all_runs(runs),
        environments(runs),
    ]
    tasks, models = ({getattr(run, name) for run in runs} - {"?"} for name in ("task", "model"))  # "?": unread
    done = sum(run.self_speedup is not None for run in runs)
    about = f"{counted(len(runs), 'run')}, {done} with a result."
    return Report(
        f"{_one_or(sorted(tasks), 'task')} by {_one_or(sorted(models), 'model')}",
        about,
        tuple(chapter for chapter in chapters if chapter is not None),
    )


def _one_or(names: Sequence[str], noun: str) -> str:
    """Return the only name, or count them."""
    if len(names) == 1:
        return names[0]
    return counted(len(names), noun)


def _lineages(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    having = [run for run in runs if run.proposals]
    chosen = having
    notes = []
    if len(having) > MOST_LINEAGES:
        ranked = sorted(having, key=lambda run: -(run.told_speedup or run.search_speedup or 0.0))
        first: dict[tuple[str, str], ReportedRun] = {}
        for run in ranked:
            first.setdefault((run.task, columns.column(run)), run)
        rest = [run for run in ranked if run not in first.values()]
        wanted = {run.folder for run in [*first.values(), *rest][:MOST_LINEAGES]}
        chosen = [run for run in having if run.folder in wanted]
        notes = [
            f"{len(having) - len(chosen)} runs have no tree here: those shown are the best of each task and model. "
            "A report on one run's folder shows that run."
        ]
    folds = [lineage(run, columns.column(run), is_open=len(chosen) == 1) for run in chosen]
    about = "How each winner came about: the tree of candidates, and what each step of its line changed and gained."
    return Chapter("lineage", "Lineages", about, folds=folds, notes=notes)


def _names(folders: Sequence[Path]) -> list[str]:
    """Find the shortest ends of the paths that tell them apart, e.g. `3` in one sweep and `sweep-a/3` in two."""
    depth = 1
    most = max((len(folder.parts) for folder in folders), default=1)
    while depth < most and len({folder.parts[-depth:] for folder in folders}) < len(folders):
        depth += 1
    return ["/".join(folder.parts[-depth:]) for folder in folders]
