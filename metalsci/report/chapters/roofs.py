"""The roofline: what each candidate of the incumbent's line reached, under the ceilings of memory and caches."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.devices.ceilings import Ceilings
from metalsci.report.chapters.grouping import Columns
from metalsci.report.charts import Chapter, Chart, Key, Line, Mark
from metalsci.report.reported_run import Iteration, Reached, ReportedRun
from metalsci.report.scales import Scale, figure, logarithmic, named
from metalsci.report.tabular import Cell, DataTable, number, table, text

_APART = 0.12  # between the runs of a model at one size, so that marks do not hide one another
_ROOF_POINTS = 40

Place = tuple[ReportedRun, Iteration, Reached]


@dataclass(frozen=True)
class _Axis:
    """The places along x: bytes that a program touches if all are known, or the sizes in their order."""

    scale: Scale
    sizes: tuple[str, ...]
    by_bytes: bool

    def at(self, reached: Reached, share: float) -> float:
        """Place a result. share: -0.5 to 0.5, to keep runs apart."""
        if self.by_bytes:
            return float(reached.footprint * (1 + _APART * share))
        return self.sizes.index(reached.label) + 4 * _APART * share


def rooflines(runs: Sequence[ReportedRun], columns: Columns) -> Chapter:
    groups: dict[tuple[str, str], list[ReportedRun]] = {}
    for run in sorted(runs, key=lambda run: run.task):
        if any(iteration.sizes for iteration in run.iterations):
            groups.setdefault((run.task, run.device), []).append(run)
    several = len({device for _, device in groups}) > 1
    charts = [
        roofline_chart(task, members, columns, f"{task} · {device}" if several else task)
        for (task, device), members in groups.items()
    ]
    return Chapter(
        "roofline",
        "Roofline",
        "What the seed kernel and every candidate that became the incumbent reached at each size. The line is the "
        "ceiling at that size: of the cache that holds it, of memory, or of arithmetic. Dashed: what a perfect kernel "
        "of the task's algorithm would reach.",
        charts=charts,
    )


def roofline_chart(task: str, runs: Sequence[ReportedRun], columns: Columns, title: str) -> Chart:
    places = [(run, i, reached) for run in runs for i in run.iterations for reached in i.sizes]
    axis = _axis(places)
    unit = places[0][2].unit
    ceilings = next((run.ceilings for run in runs if run.ceilings), None)
    lines = _roofs(places, axis, ceilings)
    tops = [y for line in lines for _, y in line.points]
    marks = [_mark(place, axis, columns, runs) for place in places]
    present = {columns.column(run) for run in runs}
    return Chart(
        f"roofline-{title}".replace(" · ", "-"),
        title,
        f"Achieved {unit} of the seed kernel and the incumbents of {task} at each size, under the ceilings.",
        axis.scale,
        logarithmic(unit, [*tops, *(reached.achieved for *_, reached in places)]),
        _data(task, places, unit),
        lines,
        marks=marks,
        legend=[
            *(key for key in columns.legend() if key.name in present),
            *([Key("seed kernel", None, "ring")] if any(not i.number for _, i, _ in places) else []),
            Key("ceiling", None, "line"),
            *([Key("reachable", None, "dashed")] if any(line.dashed for line in lines) else []),
        ],
    )


def _axis(places: Sequence[Place]) -> _Axis:
    sizes = tuple(dict.fromkeys(reached.label for *_, reached in places))
    footprints = [reached.footprint for *_, reached in places]
    if all(footprints) and len(set(footprints)) > 1:
        scale = logarithmic("bytes that a run touches", [min(footprints) / 1.5, max(footprints) * 1.5])
        ticks = tuple((at, _bytes(at)) for at, _ in scale.ticks)
        return _Axis(Scale(scale.label, scale.low, scale.high, ticks, logarithmic=True), sizes, True)
    return _Axis(named("size", sizes), sizes, False)


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def _roofs(places: Sequence[Place], axis: _Axis, ceilings: Ceilings | None) -> list[Line]:
    """Draw one roof over all sizes, or a piece of it above each."""
    bandwidth = places[0][2].unit == "GB/s"
    if axis.by_bytes and bandwidth and ceilings and ceilings.levels:
        low, high = axis.scale.low, axis.scale.high
        at = [low * (high / low) ** (i / _ROOF_POINTS) for i in range(_ROOF_POINTS + 1)]
        return [Line(tuple((x, ceilings.bandwidth_at(int(x))) for x in at), name="ceiling"), *_reachable(places, axis)]
    tops = {reached.label: reached for *_, reached in places}
    if axis.by_bytes or len({reached.ceiling for reached in tops.values()}) == 1:
        ends = (axis.scale.low, axis.scale.high)
        roof = next(iter(tops.values())).ceiling
        return [Line(tuple((x, roof) for x in ends), name="ceiling"), *_reachable(places, axis)]
    pieces = [
        Line(tuple((axis.at(reached, side), reached.ceiling) for side in (-0.9, 0.9)), name="ceiling")
        for reached in tops.values()
    ]
    return [*pieces, *_reachable(places, axis)]


def _reachable(places: Sequence[Place], axis: _Axis) -> list[Line]:
    tops = {reached.label: reached for *_, reached in places if reached.reachable < 1}
    half = 0.9
    if axis.by_bytes:
        half = 3.0
    return [
        Line(
            tuple((axis.at(reached, side), reached.reachable * reached.ceiling) for side in (-half, half)),
            name="reachable",
            dashed=True,
        )
        for reached in tops.values()
    ]


def _mark(place: Place, axis: _Axis, columns: Columns, runs: Sequence[ReportedRun]) -> Mark:
    run, iteration, reached = place
    share = (runs.index(run) + 1) / (len(runs) + 1) - 0.5
    tip = (
        f"{run.model}, {run.name}, {iteration.name} at {reached.label}: {figure(reached.achieved)} {reached.unit}, "
        f"{100 * reached.achieved / reached.ceiling:.1f} % of {figure(reached.ceiling)}"
    )
    at = axis.at(reached, share)
    if not iteration.number:
        return Mark(at, reached.achieved, None, "ring", tip)
    return Mark(at, reached.achieved, columns.series(run), columns.sign(run), tip)


def _data(task: str, places: Sequence[Place], unit: str) -> DataTable:
    rows: list[list[Cell]] = [
        [
            text(run.name),
            text(run.model),
            number(iteration.number),
            text(reached.label),
            number(reached.footprint or None),
            number(reached.milliseconds, figure(reached.milliseconds)),
            number(reached.achieved, figure(reached.achieved)),
            number(reached.ceiling, figure(reached.ceiling)),
            number(reached.achieved / reached.ceiling, f"{100 * reached.achieved / reached.ceiling:.1f} %"),
        ]
        for run, iteration, reached in places
    ]
    head = ["run", "model", "iteration", "size", "bytes", "ms", unit, "ceiling", "of it"]
    return table(f"roofline-{task}", f"Roofline of {task}", head, rows)
