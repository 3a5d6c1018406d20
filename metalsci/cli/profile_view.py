"""A profile on the console and as a page: a table, the bottleneck, advice, and the source with remarks."""

from collections.abc import Iterator, Sequence
from html import escape

from rich import markup
from rich.console import Console
from rich.table import Table

from metalsci.cli.profile_source import Profiled
from metalsci.cpu_metal.profiler.counters import LineCounters
from metalsci.devices.virtual.advice import IDLE, advice, bottleneck, line_remarks
from metalsci.devices.virtual.prediction import PredictedOrder, Prediction, compare

_HOT = 0.02  # share of all cycles from which a line is shown
_VERY_HOT = 0.1
_HEADINGS = ("kernel", "dispatches", "time of one", "lanes", "simdgroups a core", "registers", "lines an access")


def show(profiled: Profiled, console: Console) -> None:
    prediction = profiled.prediction
    where = f" at {profiled.size}" if profiled.size else ""
    console.print(
        f"[bold]{markup.escape(profiled.name)}[/bold]{where}: predicted {_time(prediction.seconds)} on {prediction.gpu}"
    )
    console.print(f"bottleneck: {bottleneck(prediction)}\n")
    console.print(_table(profiled))
    for dispatch in prediction.dispatches:
        for sentence in advice(dispatch):
            console.print(f"{dispatch.profile.kernel}: {sentence}", markup=False)
    console.print()
    for number, text, share, remarks in _annotated(profiled):
        if share >= _HOT or remarks:
            console.print(f"{share:5.0%} {number:4} {text}", markup=False, no_wrap=True)
            for remark in remarks:
                console.print(f"{'':11}^ {remark}", style="yellow", markup=False)
    console.print()


def show_both(one: Profiled, other: Profiled, console: Console) -> None:
    """Print the change from `other` to `one`: its speedup, and each term's seconds."""
    comparison = compare(one.prediction, other.prediction)
    table = Table(title=f"{one.name} next to {other.name}")
    for heading in ("seconds go into", one.name, other.name):
        table.add_column(heading, justify="left" if heading == "seconds go into" else "right")
    first, second = one.prediction.terms, other.prediction.terms
    for name in sorted(first, key=lambda name: -max(first[name], second.get(name, 0.0))):
        table.add_row(name, _time(first[name]), _time(second.get(name, 0.0)))
    table.add_row("all", _time(one.prediction.seconds), _time(other.prediction.seconds), style="bold")
    console.print(table)
    if comparison.order is PredictedOrder.UNDECIDED:
        verdict = "undecided"
    else:
        verdict = comparison.order.value
    console.print(f"predicted {comparison.speedup:.2f} times as fast: {verdict}")


_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; color: #222 }
h1 { font-size: 1.2em } h2 { font-size: 1em; margin-bottom: 0 }
.side { display: flex; gap: 2em } .side > section { flex: 1; min-width: 0 }
pre { font: 12px/1.5 ui-monospace, monospace; overflow-x: auto; background: #fafafa; padding: 1em }
table { border-collapse: collapse } td, th { padding: 0 .8em; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left }
.hot { background: #fd9 } .warm { background: #fec } .remark { color: #a50 } .predicted { color: #666 }
"""


def page(found: Sequence[Profiled]) -> str:
    """Write an HTML page of its own: one kernel, or two side by side and what changes between them."""
    names = escape(" and ".join(each.name for each in found))
    if len(found) == 2:
        changes = _changes(found[0], found[1])
    else:
        changes = ""
    return (
        f"<!doctype html><meta charset=utf-8><title>Profile of {names}</title><style>{_STYLE}</style>{changes}"
        f"<div class=side>{''.join(_section(each) for each in found)}</div>"
        "<p class=predicted>Times are predicted from what cpu_metal counted, not measured: docs/virtual_gpu.md.</p>"
    )


def _changes(one: Profiled, other: Profiled) -> str:
    comparison = compare(one.prediction, other.prediction)
    first, second = one.prediction.terms, other.prediction.terms
    names = sorted(first, key=lambda name: -max(first[name], second.get(name, 0.0)))
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{_time(first[name])}<td>{_time(second.get(name, 0.0))}</tr>"
        for name in names
        if first[name] or second.get(name)
    )
    total = f"<tr><th>all<th>{_time(one.prediction.seconds)}<th>{_time(other.prediction.seconds)}</tr>"
    return (
        f"<h1>{escape(one.name)} is predicted {comparison.speedup:.2f} times as fast as {escape(other.name)}: "
        f"{escape(str(comparison.order))}</h1><table><tr><th>seconds go into<th>{escape(one.name)}"
        f"<th>{escape(other.name)}</tr>{rows}{total}</table>"
    )


def _section(profiled: Profiled) -> str:
    prediction = profiled.prediction
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{_time(seconds)}<td>{seconds / prediction.seconds:.0%}</tr>"
        for name, seconds in sorted(prediction.terms.items(), key=lambda term: -term[1])
        if seconds
    )
    kernels = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}' for cell in row)}</tr>" for row in _rows(profiled.prediction)
    )
    sentences = "".join(
        f"<li>{escape(f'{dispatch.profile.kernel}: {sentence}')}</li>"
        for dispatch in prediction.dispatches
        for sentence in advice(dispatch)
    )
    lines = "".join(
        f"<span class={_heat(share)}>{share:5.0%} {number:4} {escape(text)}</span>\n"
        + "".join(f"<span class=remark>{'':11}^ {escape(remark)}</span>\n" for remark in remarks)
        for number, text, share, remarks in _annotated(profiled)
    )
    return (
        f"<section><h1>{escape(profiled.name)} {escape(profiled.size)}</h1><p>predicted {_time(prediction.seconds)} on "
        f"{escape(prediction.gpu)}: {escape(bottleneck(prediction))}</p><h2>seconds</h2><table>{rows}</table>"
        f"<h2>kernels</h2><table><tr>{''.join(f'<th>{name}' for name in _HEADINGS)}</tr>{kernels}</table>"
        f"<h2>advice</h2><ul>{sentences}</ul><h2>source, with each line's share of the cycles</h2><pre>{lines}</pre>"
        "</section>"
    )


def _heat(share: float) -> str:
    if share > _VERY_HOT:
        return "hot"
    if share > _HOT:
        return "warm"
    return "cold"


def _table(profiled: Profiled) -> Table:
    table = Table()
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading == "kernel" else "right")
    for row in _rows(profiled.prediction):
        table.add_row(*row)
    return table


def _rows(prediction: Prediction) -> Iterator[tuple[str, ...]]:
    for dispatch in prediction.dispatches:
        counters, place = dispatch.profile.counters, dispatch.time.occupancy
        issues = counters.loads.issues + counters.stores.issues
        lines = counters.loads.lines + counters.stores.lines
        yield (
            dispatch.profile.kernel,
            f"{dispatch.profile.dispatches}",
            _time(dispatch.time.seconds),
            f"{counters.active:.0f} of 32",
            f"{place.concurrent * place.simdgroups}",
            f"{dispatch.profile.registers}",
            f"{lines / issues:.1f}" if issues else "",
        )


def _annotated(profiled: Profiled) -> Iterator[tuple[int, str, float, list[str]]]:
    """Yield each line of the source: number, text, share of all cycles, remarks."""
    cycles: dict[int, float] = {}
    remarks: dict[int, list[str]] = {}
    for dispatch in profiled.prediction.dispatches:
        for line in dispatch.profile.lines:
            cycles[line.line] = cycles.get(line.line, 0.0) + dispatch.profile.dispatches * line.cycles
            remarks.setdefault(line.line, []).extend(_new(line, remarks.get(line.line, [])))
    total = sum(cycles.values()) or 1.0
    for number, text in enumerate(profiled.source.splitlines(), 1):
        share = cycles.get(number, 0.0) / total
        told = remarks.get(number, [])
        if share < _HOT:  # that few lanes do little is no news
            told = [remark for remark in told if not remark.endswith(IDLE)]
        yield number, text, share, told


def _new(line: LineCounters, known: Sequence[str]) -> Iterator[str]:
    return (remark for remark in line_remarks(line) if remark not in known)


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:,.1f} µs"
    return f"{seconds * 1e3:,.2f} ms"
