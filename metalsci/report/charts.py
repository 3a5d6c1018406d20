"""A chart as data: axes, lines, areas, bars and marks in figures, and their places for the template.

Every mark says in words what it stands for, and every chart has the table that it was drawn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.report.scales import Scale
from metalsci.report.tabular import DataTable

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 12, 46
COLOURS = 8  # of the page's palette


@dataclass(frozen=True)
class Line:
    """series: the number of its colour; None for a line that belongs to nobody, as a diagonal or a ceiling."""

    points: tuple[tuple[float, float], ...]
    series: int | None = None
    name: str = ""
    dashed: bool = False
    faint: bool = False
    stepped: bool = False


@dataclass(frozen=True)
class Area:
    """A band between two edges over the same places."""

    upper: tuple[tuple[float, float], ...]
    lower: tuple[tuple[float, float], ...]
    series: int


@dataclass(frozen=True)
class Mark:
    """shape: circle, ring, diamond, triangle, cross, plus or square. tip: what it says in words."""

    x: float
    y: float
    series: int | None
    shape: str = "circle"
    tip: str = ""
    faint: bool = False


@dataclass(frozen=True)
class Bar:
    """From `begin` to `end` along x, in row `row` of the named y axis."""

    row: int
    begin: float
    end: float
    series: int
    tip: str


@dataclass(frozen=True)
class Key:
    """One entry of the legend. shape: of its mark, or "line", "dashed" or "bar"."""

    name: str
    series: int | None
    shape: str


@dataclass(frozen=True)
class Chart:
    """name: of its files. title: as its heading. about: what it shows and how it is read, one or two sentences."""

    name: str
    title: str
    about: str
    x: Scale
    y: Scale
    data: DataTable
    lines: Sequence[Line] = ()
    areas: Sequence[Area] = ()
    marks: Sequence[Mark] = ()
    bars: Sequence[Bar] = ()
    legend: Sequence[Key] = ()
    wide: bool = False
    height: int = HEIGHT
    left: int = LEFT

    @property
    def width(self) -> int:
        if self.wide:
            return 2 * WIDTH
        return WIDTH

    @property
    def bottom(self) -> float:
        return self.height - BOTTOM

    @property
    def right(self) -> float:
        return self.width - RIGHT

    @property
    def top(self) -> int:
        return TOP

    def px(self, value: float) -> float:
        return round(self.left + self.x.share(value) * (self.right - self.left), 1)

    def py(self, value: float) -> float:
        return round(self.bottom - self.y.share(value) * (self.bottom - TOP), 1)

    def path(self, line: Line) -> str:
        """Return the `d` of an SVG path."""
        points = [(self.px(x), self.py(y)) for x, y in line.points]
        if not points:
            return ""
        drawn = [f"M{points[0][0]},{points[0][1]}"]
        for x, y in points[1:]:
            drawn.append(f"H{x}V{y}" if line.stepped else f"L{x},{y}")
        return "".join(drawn)

    def outline(self, area: Area) -> str:
        """Return the `points` of an SVG polygon."""
        around = [*area.upper, *reversed(area.lower)]
        return " ".join(f"{self.px(x)},{self.py(y)}" for x, y in around)

    def bar_height(self) -> float:
        return round(0.62 * (self.bottom - TOP) / max(1, len(self.y.ticks)), 1)


@dataclass(frozen=True)
class ChainStep:
    """One step of a chain: from a kernel to the next that became the incumbent.

    lines: of the diff, each with its kind: "add", "cut", "place" or "".
    """

    title: str
    idea: str
    gain: str
    lines: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True)
class Fold:
    """A part of a chapter that opens when it is wanted: one run, by its name. title: says how far the run has come."""

    run: str
    title: str
    charts: Sequence[Chart] = ()
    tables: Sequence[DataTable] = ()
    steps: Sequence[ChainStep] = ()
    notes: Sequence[str] = ()
    is_open: bool = False


@dataclass(frozen=True)
class Chapter:
    """A part of a report. name: its anchor. charts_first: charts stand above the tables, not below."""

    name: str
    title: str
    about: str = ""
    tables: Sequence[DataTable] = ()
    charts: Sequence[Chart] = ()
    folds: Sequence[Fold] = ()
    notes: Sequence[str] = ()
    charts_first: bool = False

    def all_charts(self) -> list[Chart]:
        return [*self.charts, *(chart for fold in self.folds for chart in fold.charts)]

    def all_tables(self) -> list[DataTable]:
        """Collect those that stand in the chapter and those behind its charts."""
        shown = [*self.tables, *(table for fold in self.folds for table in fold.tables)]
        return [*shown, *(chart.data for chart in self.all_charts())]
