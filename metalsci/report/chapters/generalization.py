"""Does it generalise: the confirmed speedup of each run against the one at the held-out size."""

from collections.abc import Sequence

from metalsci.report.chapters.grouping import SHAPES, Columns
from metalsci.report.charts import Chapter, Chart, Key, Line, Mark
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import logarithmic, times
from metalsci.report.tabular import number, table, text


def generalization(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    judged = [run for run in runs if run.told_speedup and run.gate and (run.told_heldout or run.verdict != "undecided")]
    if not judged:
        return Chapter("generalization", "Search and held-out size", notes=["The gate has judged none of these runs."])
    figures = [figure for run in judged for figure in (run.told_speedup, run.told_heldout) if figure]
    scale = logarithmic("", figures)
    low, high = scale.low, scale.high
    x = logarithmic("speedup in distribution", [low * 1.05, high / 1.05])
    y = logarithmic("speedup at the held-out size", [low * 1.05, high / 1.05])
    marks = [_mark(run, columns, y.low) for run in judged]
    verdicts = [verdict for verdict in SHAPES if any(run.verdict == verdict for run in judged)]
    present = {columns.column(run) for run in judged}
    rows = [
        [
            text(run.name),
            text(run.task),
            text(run.model),
            number(run.told_speedup, times(run.told_speedup)),
            number(run.told_heldout, times(run.told_heldout)),
            text(run.verdict),
        ]
        for run in judged
    ]
    head = ["run", "task", "model", "in distribution", "held out", "verdict"]
    chart = Chart(
        "generalization",
        "Search and held-out size",
        "One mark a run. On the diagonal a winner is as good at the size that the search never saw; far below it, it "
        "fits the sizes that were scored. A run whose winner was not right there stands on the lower edge.",
        x,
        y,
        table("generalization", "Speedup in distribution and held out", head, rows),
        [Line(((low, low), (high, high)), dashed=True, name="equal")],
        marks=marks,
        legend=[
            *(key for key in columns.legend("circle") if key.name in present),
            *(Key(verdict, None, SHAPES[verdict]) for verdict in verdicts),
        ],
        wide=True,
        height=420,
    )
    return Chapter("generalization", "Search and held-out size", charts=[chart])


def _mark(run: ReportedRun, columns: Columns, bottom: float) -> Mark:
    heldout = run.told_heldout
    evidence = ""
    if run.gate is not None and not heldout:
        evidence = f": {run.gate.evidence[:160]}"
    tip = f"{run.task}, {run.model}, {run.name}: {times(run.told_speedup)} in distribution, {times(heldout)} held out"
    return Mark(
        run.told_speedup or 1.0,
        heldout or bottom,
        columns.series(run),
        SHAPES.get(run.verdict, "ring"),
        f"{tip}, {run.verdict}{evidence}",
    )
