"""Time, tokens and cost, by model."""

from collections.abc import Sequence

from metalsci.models.protocol import Usage
from metalsci.report.chapters.grouping import Columns
from metalsci.report.chapters.outcomes import models_axis
from metalsci.report.charts import Bar, Chapter, Chart, Key
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import figure, linear
from metalsci.report.tabular import Cell, number, table, text

# Phases in the order of an iteration; what is left of its seconds is "other".
_PHASES = ("model", "compile", "staging", "kernels", "verification", "sanitizer", "promotion", "other")


def expenses(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    groups = {name: [run for run in runs if columns.column(run) == name] for name in columns.names}
    groups = {name: members for name, members in groups.items() if any(run.proposals for run in members)}
    if not groups:
        return Chapter("expenses", "Time, tokens, cost", notes=["Nothing was spent yet."])
    seconds = {name: _phases(members) for name, members in groups.items()}
    bars = []
    for row, (name, phases) in enumerate(seconds.items()):
        begin = 0.0
        for index, (phase, mean) in enumerate(phases.items()):
            if mean > 0:
                bars.append(Bar(row, begin, begin + mean, index, f"{name}: {figure(mean)} s an iteration in {phase}"))
                begin += mean
    data = table(
        "seconds",
        "Seconds of an iteration by phase, on the average",
        ["model", *_PHASES],
        [[text(name), *(number(v, figure(v)) for v in phases.values())] for name, phases in seconds.items()],
    )
    longest = max(sum(phases.values()) for phases in seconds.values())
    chart = Chart(
        "seconds",
        "Seconds of an iteration",
        "Where the wall clock of an iteration goes, on the average over a model's runs.",
        linear("seconds", [0.0, longest]),
        models_axis(list(groups)),
        data,
        bars=bars,
        legend=[Key(phase, i, "bar") for i, phase in enumerate(_PHASES) if any(s[phase] > 0 for s in seconds.values())],
        wide=True,
        height=80 + 26 * len(groups),
        left=170,
    )
    head = ["model", "runs", "candidates", "hours", "input", "cached", "output", "reasoning", "dollars", "a run"]
    rows = [[text(name), *_spent(members)] for name, members in groups.items()]
    spent = table("expenses", "Tokens and dollars by model", head, rows)
    unpriced = sum(i.cost is None for run in runs for i in run.iterations)
    notes = []
    if unpriced:
        notes = [f"{unpriced} answers have no known price and are not among the dollars."]
    return Chapter("expenses", "Time, tokens, cost", tables=[spent], charts=[chart], notes=notes, charts_first=True)


def _phases(runs: Sequence[ReportedRun]) -> dict[str, float]:
    """Mean seconds of an iteration by phase."""
    proposals = [iteration for run in runs for iteration in run.proposals]
    sums = dict.fromkeys(_PHASES, 0.0)
    for iteration in proposals:
        known = {phase: max(0.0, iteration.seconds.get(phase, 0.0)) for phase in _PHASES[:-1]}
        for phase, value in known.items():
            sums[phase] += value
        sums["other"] += max(0.0, iteration.seconds.get("total", 0.0) - sum(known.values()))
    return {phase: value / len(proposals) for phase, value in sums.items()}


def _spent(runs: Sequence[ReportedRun]) -> list[Cell]:
    used = sum((i.usage for run in runs for i in run.iterations), Usage())
    dollars = sum(run.dollars for run in runs)
    hours = sum(run.seconds.get("total") or sum(i.seconds.get("total", 0.0) for i in run.iterations) for run in runs)
    counts = [len(runs), sum(len(run.proposals) for run in runs)]
    tokens = [used.input, used.cached, used.output, used.reasoning]
    return [
        *(number(count) for count in counts),
        number(hours / 3600, f"{hours / 3600:.2f}"),
        *(number(count) for count in tokens),
        number(dollars, f"{dollars:.2f}"),
        number(dollars / len(runs), f"{dollars / len(runs):.2f}"),
    ]
