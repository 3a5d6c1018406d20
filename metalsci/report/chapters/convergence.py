"""Convergence: the incumbent's speedup over the iterations, a chart for each task."""

import statistics
from collections.abc import Iterator, Sequence

from metalsci.report.chapters.grouping import Columns, by_task
from metalsci.report.charts import Area, Chapter, Chart, Line, Mark
from metalsci.report.reported_run import Iteration, ReportedRun
from metalsci.report.scales import counted, linear, logarithmic, times
from metalsci.report.tabular import DataTable, number, table, text

_MANY = 12  # runs of a task from which medians and bands are drawn instead of every run

Points = tuple[tuple[float, float], ...]


def convergence(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    known = [run for run in runs if run.base and run.proposals]
    charts = [convergence_chart(task, members, columns) for task, members in by_task(known).items()]
    return Chapter(
        "convergence",
        "Convergence",
        "The incumbent's speedup over the seed kernel by the search's own scores. A mark is a candidate that became "
        "the incumbent: a paired test decided that, so a lucky score may be followed by a lower one. "
        f"With more than {_MANY} runs of a task: the median of a model, in a band from worst to best.",
        charts=charts,
    )


def convergence_chart(task: str, runs: Sequence[ReportedRun], columns: Columns) -> Chart:
    curves = {run.folder: _incumbents(run) for run in runs}
    lines: list[Line] = []
    areas: list[Area] = []
    marks: list[Mark] = []
    if len(runs) > _MANY:
        for name in columns.names:
            members = [run for run in runs if columns.column(run) == name]
            if members:
                middle, band = _band([curves[run.folder] for run in members], columns.series(members[0]))
                lines.append(Line(middle, columns.series(members[0]), name, stepped=True))
                areas.append(band)
    else:
        for run in runs:
            series = columns.series(run)
            lines.append(Line(curves[run.folder], series, run.name, stepped=True))
            marks += _marks(run, series, columns.sign(run))
    reached = [y for curve in curves.values() for _, y in curve]
    longest = max(x for curve in curves.values() for x, _ in curve)
    present = {columns.column(run) for run in runs}
    return Chart(
        f"convergence-{task}",
        task,
        f"The incumbent's speedup over the iterations of {counted(len(runs), 'run')} of {task}.",
        linear("iteration", [0, longest], whole=True),
        logarithmic("incumbent's speedup", [*reached, 1.0]),
        _data(task, runs),
        lines,
        areas,
        marks,
        legend=[key for key in columns.legend("line" if areas else "") if key.name in present],
    )


def _incumbents(run: ReportedRun) -> Points:
    """Go straight on to the last iteration: a search that finds nothing more has not ended."""
    best = 1.0
    points = [(0.0, 1.0)]
    for count, iteration in enumerate(run.proposals, start=1):
        if iteration.promoted:
            best = run.speedup(iteration) or best
        points.append((float(count), best))
    return tuple(points)


def _marks(run: ReportedRun, series: int, sign: str) -> Iterator[Mark]:
    for count, iteration in enumerate(run.proposals, start=1):
        speedup = run.speedup(iteration)
        if iteration.promoted and speedup:
            yield Mark(count, speedup, series, sign, _tip(run, iteration, speedup))


def _tip(run: ReportedRun, iteration: Iteration, speedup: float) -> str:
    return f"{run.model}, {run.name}, {iteration.name}, {times(speedup)}: {iteration.idea}".removesuffix(": ")


def _band(curves: Sequence[Points], series: int) -> tuple[Points, Area]:
    longest = max(len(curve) for curve in curves)
    columns = [[curve[min(i, len(curve) - 1)][1] for curve in curves] for i in range(longest)]
    middle = tuple((float(i), statistics.median(values)) for i, values in enumerate(columns))
    upper = tuple((float(i), max(values)) for i, values in enumerate(columns))
    lower = tuple((float(i), min(values)) for i, values in enumerate(columns))
    return middle, Area(upper, lower, series)


def _data(task: str, runs: Sequence[ReportedRun]) -> DataTable:
    rows = []
    for run in runs:
        best = 1.0
        for iteration in run.proposals:
            speedup = run.speedup(iteration)
            if iteration.promoted:
                best = speedup or best
            rows.append(
                [
                    text(run.name),
                    text(run.model),
                    number(iteration.number),
                    text(iteration.outcome),
                    number(speedup, times(speedup)),
                    number(best, times(best)),
                ]
            )
    head = ["run", "model", "iteration", "outcome", "speedup", "incumbent"]
    return table(f"convergence-{task}", f"Convergence of {task}", head, rows)
