"""The headline: speedups in distribution and held out, a column a model, as the benchmark prints them."""

from collections.abc import Callable, Iterator, Sequence

from metalsci.report.chapters.grouping import TONES, Columns, by_task
from metalsci.report.charts import Chapter
from metalsci.report.means import geometric_mean
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import counted, times
from metalsci.report.tabular import Cell, DataTable, number, table, text

# Arguments that change no result by themselves, and those that the columns tell apart.
_ALIKE = ("seed=", "task=", "model=", "strategy=", "device=", "tracker", "tags=", "notes=", "hydra.", "paths.")


def headline(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    """Put several seeds together as geometric means, a row a task; their 95 % intervals stand in a second table."""
    told = [run for run in runs if run.told_speedup is not None]
    in_table = _printed_first(told)
    tables, notes = [], ["None of these runs has a result yet."]
    if told:
        tables, notes = [_published_form(in_table, columns)], []
    if len(in_table) < len(told):
        others = counted(len(told) - len(in_table), "further recorded run")
        notes.append(f"The table of all runs, below, has {others}, of which the publication prints no figure.")
    if any(len(group) > 1 for group in _groups(in_table, columns).values()):
        tables.append(_over_seeds(in_table, columns))
    notes += _mixed(in_table, columns)
    if any(not run.measured for run in told):
        notes.append("Columns called predicted hold times of a model of a GPU; no clock measured them.")
    notes += filter(None, map(_printed_otherwise, told))
    return Chapter(
        "headline",
        "What was found",
        "Speedups over the seed kernel, both kernels timed side by side. In distribution: the geometric mean over the "
        "sizes that the search scored. Held out: the size that it never saw, judged once.",
        tables,
        notes=notes,
    )


def _mixed(runs: Sequence[ReportedRun], columns: Columns) -> Iterator[str]:
    """Say which means are over runs that were started with different settings, not with different seeds alone."""
    for (task, name), group in _groups(runs, columns).items():
        if len({frozenset(a for a in run.command if not a.startswith(_ALIKE)) for run in group}) > 1:
            yield f"{task}, {name}: the {len(group)} runs differ in settings too, which the last chapter lists."


def all_runs(runs: Sequence[ReportedRun]) -> Chapter:
    """Give a row a run, and the sentences about those that have no result or could not be read."""
    head = ["run", "task", "model", "strategy", "seed", "status", "found at", "by the search", "confirmed", "held-out"]
    rows = [
        [
            text(run.name),
            text(run.task),
            text(run.model),
            text(run.strategy),
            number(run.seed),
            text(run.status if run.measured else f"{run.status}, predicted"),
            _found_at(run),
            number(run.search_speedup, times(run.search_speedup)),
            number(run.told_speedup, times(run.told_speedup)),
            number(run.told_heldout, times(run.told_heldout)),
            text(run.verdict, TONES.get(run.verdict, "")),
            *_spent(run),
            number(run.seconds.get("total"), f"{run.seconds.get('total', 0.0):,.0f}"),
        ]
        for run in runs
    ]
    head += ["verdict", "tokens", "dollars", "seconds"]
    tables = [table("runs", "Every run, a row each", head, rows)]
    trouble = [[text(run.name), text(sentence)] for run in runs for sentence in run.trouble]
    if trouble:
        tables.append(table("trouble", "What is missing or could not be read", ["run", "what"], trouble))
    about = (
        "By the search: the incumbent's score over the seed kernel's as the search saw them, minutes apart. "
        "Confirmed: both side by side when the search had ended."
    )
    return Chapter("runs", "Runs", about, tables)


def _spent(run: ReportedRun) -> tuple[Cell, Cell]:
    if run.published:
        return text("–"), text("–")  # a recording does not hold them
    return number(run.tokens), number(run.dollars, f"{run.dollars:.2f}")


def _found_at(run: ReportedRun) -> Cell:
    tried = len(run.proposals) or (run.most_iterations or 0)
    if run.best_iteration is None:
        return text(f"–/{tried}")
    return number(run.best_iteration, f"{run.best_iteration}/{tried}")


def _groups(runs: Sequence[ReportedRun], columns: Columns) -> dict[tuple[str, str], list[ReportedRun]]:
    groups: dict[tuple[str, str], list[ReportedRun]] = {}
    for run in runs:
        groups.setdefault((run.task, columns.column(run)), []).append(run)
    return groups


def _published_form(runs: Sequence[ReportedRun], columns: Columns) -> DataTable:
    names = [name for name in columns.names if any(columns.column(run) == name for run in runs)]
    parts = ("in distribution", "held out", "verdict")
    rows = []
    for task, members in by_task(runs).items():
        groups = [[run for run in members if columns.column(run) == name] for name in names]
        row = [text(task)]
        row += [_mean_cell(group, lambda run: run.told_speedup) for group in groups]
        row += [_mean_cell(group, lambda run: run.told_heldout) for group in groups]
        row += [_verdicts(group) for group in groups]
        rows.append(row)
    head = ("task", *(f"{name}: {part}" for part in parts for name in names))
    spans = (("", 1), *((part, len(names)) for part in parts))
    return table("headline", "In distribution × held out, by task and model", head, rows, spans)


def _printed_first(runs: Sequence[ReportedRun]) -> Sequence[ReportedRun]:
    """Leave out what a publication recorded and does not print, if it prints anything; one's own runs all stay."""
    if not any(_is_printed(run) for run in runs):
        return runs
    return [run for run in runs if run.published is None or _is_printed(run)]


def _is_printed(run: ReportedRun) -> bool:
    return run.published is not None and run.published.self_speedup is not None


def _mean_cell(group: Sequence[ReportedRun], figure: Callable[[ReportedRun], float | None]) -> Cell:
    values = [value for value in map(figure, group) if value is not None]
    if not values:
        return text("–" if group else "")
    if len(values) == 1:
        return number(values[0], times(values[0]))
    mean = geometric_mean(values).value
    return number(mean, times(mean))


def _verdicts(group: Sequence[ReportedRun]) -> Cell:
    """Write `generalizes`, or `generalizes 2, tied 1` over several seeds."""
    found = [run.verdict for run in group if run.verdict]
    kinds = sorted(set(found), key=lambda kind: (-found.count(kind), kind))
    if len(found) == len(kinds) == 1:
        return text(kinds[0], TONES.get(kinds[0], ""))
    tones = {TONES.get(kind, "") for kind in kinds}
    tone = ""
    if len(tones) == 1:
        tone = tones.pop()
    return text(", ".join(f"{kind} {found.count(kind)}" for kind in kinds), tone)


def _over_seeds(runs: Sequence[ReportedRun], columns: Columns) -> DataTable:
    head = ["task", "model", "runs", "in distribution", "95 % interval", "held out", "95 % interval", "generalizes"]
    rows = []
    for (task, name), group in sorted(_groups(runs, columns).items()):
        search = geometric_mean([run.told_speedup or 0.0 for run in group])
        gate = geometric_mean([run.told_heldout or 0.0 for run in group])
        general = sum(run.verdict == "generalizes" for run in group)
        figures = [
            number(search.value, times(search.value)),
            text(search.interval),
            number(gate.value if gate.value == gate.value else None, times(gate.value)),
            text(gate.interval),
        ]
        rows.append(
            [text(task), text(name), number(len(group)), *figures, number(general, f"{general} of {len(group)}")]
        )
    return table("over_seeds", "Geometric means over the runs of a task and model", head, rows)


def _printed_otherwise(run: ReportedRun) -> str:
    """Return a sentence if the publication prints another figure than its recording gives."""
    told = None
    if run.published:
        told = run.published.self_speedup
    if told is None or run.self_speedup is None or times(told) == times(run.self_speedup):
        return ""
    return f"{run.task}, {run.model}: printed as {times(told)}, and the recording gives {run.self_speedup:.3f}×."
