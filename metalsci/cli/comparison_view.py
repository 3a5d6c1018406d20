"""A comparison of runs or sweeps on the console."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

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
    devices = [sorted({run.device for run in side}) for side in zip(*((p.first, p.second) for p in pairs), strict=True)]
    if devices[0] != devices[1]:
        told = " against ".join(", ".join(names) for names in devices)
        _say(console, f"on different devices, so the ratio is not one of kernels alone: {told}")
    changed = list(_changed([each.first for each in pairs], [each.second for each in pairs]))
    _say(console, "\nsettings that differ" if changed else "\nno setting differs but task and seed")
    for sentence in changed[:_MOST_SETTINGS]:
        _say(console, f"  {sentence}")
    if len(changed) > _MOST_SETTINGS:
        _say(console, f"  and {len(changed) - _MOST_SETTINGS} further ones")
    return data


def _changed(first: Sequence[ReportedRun], second: Sequence[ReportedRun]) -> Iterator[str]:
    """Say what was set otherwise, besides task and seed: a line a setting, or a group that only one side has."""
    sides = {"A": _groups_of(first), "B": _groups_of(second)}
    alone = {group: side for side, groups in sides.items() for group in groups - sides["B" if side == "A" else "A"]}
    counts = Counter[str]()
    for name, values in differences([*first, *second]):
        group = name.partition(".")[0]
        if group == "task" or name.rpartition(".")[2] == "seed":
            continue
        if group in alone:
            counts[group] += 1
        else:
            yield f"{name}: {values}"
    for group, count in counts.items():
        yield f"{group}: only {alone[group]} has it, {counted(count, 'setting')}"


def _groups_of(runs: Sequence[ReportedRun]) -> set[str]:
    return {name for run in runs for name in run.config}


def show_ranks(groups: Groups) -> DataTable | None:
    """Print ranks of several groups, and return them; None if no task and seed is in all of them."""
    console = make_console()
    short = _short_names(list(groups))
    groups = {short[name]: runs for name, runs in groups.items()}
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
        over = "one task and seed" if blocks == 1 else f"{blocks} tasks and seeds"
        caption = f"{title}: average ranks over {over}, with Nemenyi's critical difference at 5 %"
        shown = table("ranks", caption, head, rows)
        show_table(shown, console)
        data = data or shown
    return data


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Leave out the folders that all of them share."""
    try:
        shared = os.path.commonpath(names)
    except ValueError:  # some are absolute
        shared = ""
    if not shared or shared in names:
        return {name: name for name in names}
    return {name: os.path.relpath(name, shared) for name in names}


def show_table(data: DataTable, console: Console) -> None:
    """Print a table of a report."""
    shown = Table(title=data.caption, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, name in enumerate(data.head):
        shown.add_column(Text(name), justify="right" if data.is_numeric[index] else "left", overflow="fold")
    for row in data.rows:
        shown.add_row(*(Text(cell.text) for cell in row))
    console.print(shown)


def _pairs_table(pairs: Sequence[RunPair]) -> DataTable:
    several = len({(each.task, each.seed) for each in pairs}) < len(pairs)
    rows = [
        [
            text(each.task),
            number(each.seed),
            *((text(each.first.name), text(each.second.name)) if several else ()),
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
    head = [
        "task",
        "seed",
        *(("run of A", "run of B") if several else ()),
        "A",
        "B",
        "A/B",
        "A held out",
        "B held out",
        "A verdict",
        "B verdict",
    ]
    return table("pairs", "Speedups by task and seed", head, rows)


def _counted(runs: Sequence[ReportedRun]) -> str:
    return counted(len(runs), "run")


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)
