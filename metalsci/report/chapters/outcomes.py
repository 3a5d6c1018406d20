"""Outcomes and kinds of failure, by model."""

from collections import Counter
from collections.abc import Sequence

from metalsci.evaluation.results import Outcome
from metalsci.report.chapters.grouping import Columns
from metalsci.report.charts import COLOURS, Bar, Chapter, Chart, Key
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import Scale, linear
from metalsci.report.tabular import DataTable, number, table, text

_MOST_KINDS = 40  # rows of the table of failures
_ROW = 26  # pixels


def outcomes(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    counts = {name: Counter[Outcome]() for name in columns.names}
    for run in runs:
        counts[columns.column(run)].update(iteration.outcome for iteration in run.proposals)
    counts = {name: found for name, found in counts.items() if found}
    if not counts:
        return Chapter("outcomes", "Outcomes", notes=["No candidate was judged yet."])
    seen = [outcome for outcome in Outcome if any(found[outcome] for found in counts.values())]
    bars = []
    for row, found in enumerate(counts.values()):
        begin, all_of_it = 0.0, found.total()
        for outcome in seen:
            if found[outcome]:
                share = 100 * found[outcome] / all_of_it
                tip = f"{list(counts)[row]}: {found[outcome]} of {all_of_it} {outcome} ({share:.0f} %)"
                bars.append(Bar(row, begin, begin + share, seen.index(outcome) % COLOURS, tip))
                begin += share
    rows = [
        [text(name), number(found.total()), *(number(found[outcome]) for outcome in seen)]
        for name, found in counts.items()
    ]
    data = table("outcomes", "Outcomes by model", ["model", "candidates", *map(str, seen)], rows)
    chart = Chart(
        "outcomes",
        "Outcomes by model",
        "The share of a model's candidates that came to each outcome.",
        linear("% of candidates", [0, 100]),
        models_axis(list(counts)),
        data,
        bars=bars,
        legend=[Key(str(outcome), index % COLOURS, "bar") for index, outcome in enumerate(seen)],
        wide=True,
        height=80 + _ROW * len(counts),
        left=170,
    )
    kinds = _kinds(runs, columns, list(counts))
    return Chapter(
        "outcomes", "Outcomes and failures", tables=[kinds] if kinds.rows else [], charts=[chart], charts_first=True
    )


def models_axis(names: Sequence[str]) -> Scale:
    """Place the first name at the top."""
    count = len(names)
    return Scale("", -0.5, count - 0.5, tuple((float(count - 1 - i), name) for i, name in enumerate(names)))


def _kinds(runs: Sequence[ReportedRun], columns: Columns, names: Sequence[str]) -> DataTable:
    counts: dict[str, Counter[str]] = {}
    examples: dict[str, str] = {}
    for run in runs:
        for iteration in run.proposals:
            if iteration.kind:
                counts.setdefault(iteration.kind, Counter())[columns.column(run)] += 1
                examples.setdefault(iteration.kind, f"{run.name}, iteration {iteration.number}: {iteration.message}")
    ranked = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [
        [text(kind), text(examples[kind]), *(number(found[name]) for name in names), number(found.total())]
        for kind, found in ranked[:_MOST_KINDS]
    ]
    more = ""
    if len(ranked) > _MOST_KINDS:
        more = f" (the {_MOST_KINDS} most frequent of {len(ranked)})"
    head = ["kind of failure", "an example", *names, "all"]
    return table("failures", f"Kinds of failure by model{more}", head, rows)
