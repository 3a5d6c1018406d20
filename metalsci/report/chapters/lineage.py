"""The lineage of a winner: the tree of candidates, and the chain of diffs from the seed kernel to it."""

import difflib
from collections.abc import Iterator, Sequence
from itertools import pairwise

from metalsci.msl.text.quoting import visible
from metalsci.report.charts import ChainStep, Chart, Fold, Line, Mark
from metalsci.report.reported_run import Iteration, ReportedRun
from metalsci.report.scales import linear, logarithmic, times
from metalsci.report.tabular import DataTable, number, table, text
from metalsci.search.journal import JournalError, recorded_entries

_LONGEST = 100_000  # characters of a source that is compared line by line
_MOST_LINES = 2_000  # of such a source: comparing takes their product
_MOST_SHOWN = 300  # lines of one diff
_WIDEST = 200  # characters of a line


def lineage(run: ReportedRun, model: str, *, is_open: bool = False) -> Fold:
    """Show one run: its tree, and what each step of the winner's chain changed and gained.

    model: as the columns of the report call it.
    """
    line = ancestry(run)
    notes = []
    if len(line) == 1:
        notes.append("No candidate became the incumbent: the winner is the seed kernel.")
    speedup = times(run.told_speedup or run.search_speedup)
    title = f"{run.task} · {model} · {run.name}: {speedup}, {run.verdict}".removesuffix(", ")
    return Fold(run.name, title, [_tree(run, line)], [], list(_steps(run, line)), notes, is_open)


def ancestry(run: ReportedRun) -> list[Iteration]:
    """Trace the line from the start to the last incumbent, each the first parent of the next."""
    by_number = {iteration.number: iteration for iteration in run.iterations}
    line = [run.last_incumbent]
    while line[0].parents and line[0].parents[0] in by_number and line[0].parents[0] < line[0].number:
        line.insert(0, by_number[line[0].parents[0]])
    if line[0].number:
        line.insert(0, run.iterations[0])
    return line


def _tree(run: ReportedRun, line: Sequence[Iteration]) -> Chart:
    known = {iteration.number: run.speedup(iteration) for iteration in run.iterations}
    figures = [speedup for speedup in known.values() if speedup]
    y = logarithmic("speedup", figures)
    places = {number: (float(number), speedup or y.low) for number, speedup in known.items()}
    winners = {iteration.number for iteration in line}
    lines = [
        Line((places[parent], places[i.number]), 0 if i.number in winners and parent in winners else None, faint=True)
        for i in run.iterations
        for parent in i.parents
        if parent in places
    ]
    chain = Line(tuple(places[iteration.number] for iteration in line), 0, "the winner's line")
    marks = [
        _mark(iteration, places[iteration.number], known[iteration.number], winners) for iteration in run.iterations
    ]
    return Chart(
        f"lineage-{run.name}".replace("/", "-"),
        "Tree of candidates",
        "A mark is a candidate, a line leads to it from its parent. Strong: the winner's line. On the lower edge: "
        "candidates that failed.",
        linear("iteration", [0, max(known)], whole=True),
        y,
        _data(run, known),
        [*lines, chain],
        marks=marks,
        wide=True,
    )


def _mark(iteration: Iteration, place: tuple[float, float], speedup: float | None, winners: set[int]) -> Mark:
    if not speedup:
        tip = f"{iteration.name}: {iteration.outcome}: {iteration.message}".removesuffix(": ")
        return Mark(*place, None, "cross", tip)
    tip = f"{iteration.name}: {times(speedup)}: {iteration.idea}".removesuffix(": ")
    if iteration.number in winners:
        return Mark(*place, 0, "circle", tip)
    return Mark(*place, None, "circle" if iteration.promoted else "ring", tip)


def _data(run: ReportedRun, known: dict[int, float | None]) -> DataTable:
    rows = [
        [
            number(i.number),
            text(", ".join(map(str, i.parents))),
            text(i.outcome),
            number(known[i.number], times(known[i.number])),
            text("yes" if i.promoted else ""),
            text(i.idea or i.message),
        ]
        for i in run.iterations
    ]
    head = ["iteration", "parents", "outcome", "speedup", "incumbent", "idea, or what went wrong"]
    return table(f"candidates-{run.name}".replace("/", "-"), f"Candidates of {run.name}", head, rows)


def _steps(run: ReportedRun, line: Sequence[Iteration]) -> Iterator[ChainStep]:
    sources = _sources(run, {iteration.number for iteration in line})
    for before, after in pairwise(line):
        old, new = run.speedup(before), run.speedup(after)
        gain = ""
        if old and new:
            gain = f"{times(new / old)}, to {times(new)}"
        lines, note = readable_diff(sources.get(before.number), sources.get(after.number))
        yield ChainStep(f"{before.name} → iteration {after.number}", after.idea, gain, lines, note)


def readable_diff(old: str | None, new: str | None) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the lines with their kinds, and a sentence about what is not shown."""
    if old is None or new is None:
        return (), "The recording holds no source."
    one, other = old.splitlines(), new.splitlines()
    if max(len(old), len(new)) > _LONGEST or max(len(one), len(other)) > _MOST_LINES:
        return (), f"{len(one)} and {len(other)} lines: too long to be compared here."
    lines = list(difflib.unified_diff(one, other, lineterm="", n=2))[2:]
    kinds = {"+": "add", "-": "cut", "@": "place"}
    shown = tuple((kinds.get(line[:1], ""), visible(line[:_WIDEST])) for line in lines[:_MOST_SHOWN])
    if len(lines) > len(shown):
        return shown, f"{len(lines) - len(shown)} further lines are not shown."
    if not lines:
        return (), "Only white space changed."
    return shown, ""


def _sources(run: ReportedRun, numbers: set[int]) -> dict[int, str]:
    """Read the texts when they are wanted: a report over many runs holds those of one at a time."""
    found: dict[int, str] = {}
    try:
        for entry in recorded_entries(run.folder / "journal.jsonl"):
            if entry.iteration in numbers and entry.source is not None:
                found.setdefault(entry.iteration, entry.source)
    except (JournalError, OSError):
        pass  # what came before a broken line is shown
    return found
