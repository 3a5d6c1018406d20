"""A comparison of runs or sweeps on the console."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from metalsci.report.chapters.environments import differences
from metalsci.report.pairing_of_runs import RunPair, confirmed, effect, held_out, pair, ranks
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import counted, times
from metalsci.report.tabular import DataTable, number, table, text
from metalsci.tracking.console import make_console

Groups = Mapping[str, Sequence[ReportedRun]]
_MOST_SETTINGS = 40


def show_two(groups: Groups) -> DataTable | None:
    """Print the comparison of two groups, and return the pairs; None if there is none."""
    (first_name, first), (second_name, second) = groups.items()
    pairs = pair(first, second)
    if not pairs:
        return None
    console = make_console()
    _say(console, f"A: {first_name}, {_counted(first)}\nB: {second_name}, {_counted(second)}\n")
    data = _pairs_table(pairs)
    show_table(data, console)
    for name, figure in (("in distribution", confirmed), ("held out", held_out)):
        _say(console, f"A against B, {name}: {effect(pairs, figure).sentence}", style="bold")
    alone = len(first) + len(second) - 2 * len(pairs)
    if alone:
        _say(console, f"{alone} runs have no partner of the same task and seed, and are left out")
    changed = list(differences([each.first for each in pairs] + [each.second for each in pairs]))
    changed = [(name, values) for name, values in changed if name != "seed" and not name.startswith("task.")]
    _say(console, "\nsettings that differ" if changed else "\nno setting differs but task and seed")
    for name, values in changed[:_MOST_SETTINGS]:
        _say(console, f"  {name}: {values}")
    if len(changed) > _MOST_SETTINGS:
        _say(console, f"  and {len(changed) - _MOST_SETTINGS} further ones")
    return data


def show_ranks(groups: Groups) -> DataTable | None:
    """Print ranks of several groups, and return them; None if no task and seed is in all of them."""
    console = make_console()
    data = None
    for title, figure in (("in distribution", confirmed), ("held out", held_out)):
        found, blocks = ranks(groups, figure)
        if not found:
            continue
        rows = [
            [
                text(each.name),
                number(each.rank, f"{each.rank:.2f}"),
                text(f"{max(1.0, each.low):.2f}–{min(float(len(groups)), each.high):.2f}"),
                number(each.speedup.value, times(each.speedup.value)),
                text(each.speedup.interval),
                text(", ".join(each.alike) or "none"),
            ]
            for each in found
        ]
        head = ["group", "average rank", "interval", "speedup", "95 %", "not distinguishable from"]
        caption = f"{title}: average ranks over {blocks} tasks and seeds, with Nemenyi's critical difference at 5 %"
        shown = table("ranks", caption, head, rows)
        show_table(shown, console)
        data = data or shown
    return data


def show_table(data: DataTable, console: Console) -> None:
    """Print a table of a report."""
    shown = Table(title=data.caption, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, name in enumerate(data.head):
        shown.add_column(Text(name), justify="right" if data.is_numeric[index] else "left", overflow="fold")
    for row in data.rows:
        shown.add_row(*(Text(cell.text) for cell in row))
    console.print(shown)


def _pairs_table(pairs: Sequence[RunPair]) -> DataTable:
    rows = [
        [
            text(each.task),
            number(each.seed),
            number(confirmed(each.first), times(confirmed(each.first))),
            number(confirmed(each.second), times(confirmed(each.second))),
            number(each.ratio, times(each.ratio)),
            number(held_out(each.first), times(held_out(each.first))),
            number(held_out(each.second), times(held_out(each.second))),
            text(each.first.verdict or each.first.status),
            text(each.second.verdict or each.second.status),
        ]
        for each in pairs
    ]
    head = ["task", "seed", "A", "B", "A/B", "A held out", "B held out", "A verdict", "B verdict"]
    return table("pairs", "Speedups by task and seed", head, rows)


def _counted(runs: Sequence[ReportedRun]) -> str:
    return counted(len(runs), "run")


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)
