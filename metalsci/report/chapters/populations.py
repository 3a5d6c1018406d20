"""The population over time: which candidates a strategy went on from, and for how long."""

from collections.abc import Sequence

from metalsci.report.charts import COLOURS, Chapter, Chart, Fold, Key, Line, Mark
from metalsci.report.reported_run import Iteration, ReportedRun
from metalsci.report.scales import linear, logarithmic, times
from metalsci.report.tabular import number, table, text

_FEWEST = 3  # parents that live at the same time, from which there is a population
_MOST = 12  # runs


def populations(runs: Sequence[ReportedRun]) -> Chapter | None:
    """Draw populations; None if no run has a population: a search that always goes on from its incumbent has none."""
    having = [run for run in runs if run.base and _largest(_lives(run)) >= _FEWEST]
    folds = [
        Fold(run.name, f"{run.task} · {run.strategy} · {run.name}", [population_chart(run)]) for run in having[:_MOST]
    ]
    if not folds:
        return None
    notes = []
    if len(having) > _MOST:
        notes = [f"{len(having) - _MOST} further runs have one, too."]
    about = (
        "A line is a candidate that others were made from: from its birth to the last request that started from it. "
        "Colours are the strategy's own groups, such as islands."
    )
    return Chapter("populations", "Populations", about, folds=folds, notes=notes)


def population_chart(run: ReportedRun) -> Chart:
    lives = _lives(run)
    groups = sorted({_group(iteration) for iteration, _ in lives})
    parents = [(i, last, run.speedup(i) or 0.0) for i, last in lives if run.speedup(i)]
    lines, marks, rows = [], [], []
    for iteration, last, speedup in parents:
        series = groups.index(_group(iteration)) % COLOURS
        lines.append(Line(((iteration.number, speedup), (last, speedup)), series))
        tip = f"iteration {iteration.number}, {times(speedup)}: gone on from until {last}. {iteration.idea}"
        marks.append(Mark(iteration.number, speedup, series, tip=tip))
        figures = [number(iteration.number), number(last), number(speedup, times(speedup))]
        rows.append([*figures, text(_group(iteration)), text(iteration.idea)])
    head = ["iteration", "last used", "speedup", "group", "idea"]
    return Chart(
        f"population-{run.name}".replace("/", "-"),
        "Population over time",
        f"Candidates that {run.strategy} went on from, by their speedups.",
        linear("iteration", [0, max(i.number for i in run.iterations)], whole=True),
        logarithmic("speedup", [speedup for *_, speedup in parents] or [1.0]),
        table(f"population-{run.name}".replace("/", "-"), f"Population of {run.name}", head, rows),
        lines,
        marks=marks,
        legend=[Key(group, i % COLOURS, "line") for i, group in enumerate(groups)] if len(groups) > 1 else [],
        wide=True,
    )


def _lives(run: ReportedRun) -> list[tuple[Iteration, int]]:
    """List every candidate that was a parent, with the last iteration that was made from it."""
    last: dict[int, int] = {}
    for iteration in run.iterations:
        for parent in iteration.parents[:1]:
            last[parent] = max(iteration.number, last.get(parent, 0))
    return [(iteration, last[iteration.number]) for iteration in run.iterations if iteration.number in last]


def _largest(lives: Sequence[tuple[Iteration, int]]) -> int:
    """Count how many lived at once, at most."""
    return max((sum(other.number <= i.number < end for other, end in lives) for i, _ in lives), default=0)


def _group(iteration: Iteration) -> str:
    """Return what the strategy noted of it: `island 2`."""
    return ", ".join(f"{name} {value}" for name, value in sorted(iteration.note.items()) if not isinstance(value, dict))
