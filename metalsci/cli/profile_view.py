"""A profile on the console and as a page: a table, the bottleneck, advice, and the source with remarks."""

from collections.abc import Iterator, Sequence
from html import escape

from rich.console import Console
from rich.table import Table

from metalsci.cli.profile_source import Profiled
from metalsci.cpu_metal.profiler.counters import LineCounters
from metalsci.devices.virtual.advice import advice, bottleneck, line_remarks
from metalsci.devices.virtual.prediction import PredictedOrder, compare

_HOT = 0.02  # share of all cycles from which a line is shown


def show(profiled: Profiled, console: Console) -> None:
    prediction = profiled.prediction
    where = f" at {profiled.size}" if profiled.size else ""
    console.print(
        f"[bold]{escape(profiled.name)}[/bold]{where}: predicted {_time(prediction.seconds)} on {prediction.gpu}"
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


def page(found: Sequence[Profiled]) -> str:
    """Write a self-contained HTML page."""
    return (
        "<!doctype html><meta charset=utf-8><title>Profile</title><style>body{font:14px sans-serif;margin:2em}"
        "pre{font:13px monospace}.r{color:#a50}.h{background:#fd9}td,th{padding:0 .8em;text-align:right}</style>"
        + "".join(_section(each) for each in found)
    )


def _section(profiled: Profiled) -> str:
    prediction = profiled.prediction
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{_time(seconds)}<td>{seconds / prediction.seconds:.0%}</tr>"
        for name, seconds in sorted(prediction.terms.items(), key=lambda term: -term[1])
    )
    sentences = "".join(
        f"<li>{escape(f'{dispatch.profile.kernel}: {sentence}')}</li>"
        for dispatch in prediction.dispatches
        for sentence in advice(dispatch)
    )
    lines = "".join(
        f"<span class={'h' if share > 0.1 else 'n'}>{share:5.0%} {number:4} {escape(text)}</span>\n"
        + "".join(f"<span class=r>{'':11}^ {escape(remark)}</span>\n" for remark in remarks)
        for number, text, share, remarks in _annotated(profiled)
    )
    return (
        f"<h1>{escape(profiled.name)} {escape(profiled.size)}</h1><p>predicted {_time(prediction.seconds)} on "
        f"{escape(prediction.gpu)}: {escape(bottleneck(prediction))}</p><table>{rows}</table><ul>{sentences}</ul>"
        f"<pre>{lines}</pre>"
    )


def _table(profiled: Profiled) -> Table:
    table = Table()
    headings = ("kernel", "dispatches", "time of one", "lanes", "simdgroups a core", "registers", "lines an access")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "kernel" else "right")
    for dispatch in profiled.prediction.dispatches:
        counters, place = dispatch.profile.counters, dispatch.time.occupancy
        issues = counters.loads.issues + counters.stores.issues
        lines = counters.loads.lines + counters.stores.lines
        table.add_row(
            dispatch.profile.kernel,
            f"{dispatch.profile.dispatches}",
            _time(dispatch.time.seconds),
            f"{counters.active:.0f} of 32",
            f"{place.concurrent * place.simdgroups}",
            f"{dispatch.profile.registers}",
            f"{lines / issues:.1f}" if issues else "",
        )
    return table


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
        yield number, text, cycles.get(number, 0.0) / total, remarks.get(number, [])


def _new(line: LineCounters, known: Sequence[str]) -> Iterator[str]:
    return (remark for remark in line_remarks(line) if remark not in known)


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:,.1f} µs"
    return f"{seconds * 1e3:,.2f} ms"
