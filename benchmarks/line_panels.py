"""Lines on panels side by side, as SVG, on axes that are logarithmic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _ROW = 420, 330, 58, 30, 45, 15
# Okabe and Ito: told apart by colour-blind readers too
_COLOURS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#D55E00")


@dataclass(frozen=True)
class Panel:
    """A panel. lines: points by name, positive ones.

    base: of the x axis' logarithm. ideal: a line that is drawn dashed, for comparison.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    base: int = 2
    ideal: Sequence[tuple[float, float]] = ()


def drawn(panels: Sequence[Panel], note: str) -> str:
    """Return the picture. note: below the panels."""
    rows = max(len(panel.lines) for panel in panels)
    width, height = len(panels) * _WIDTH, _HEIGHT + _ROW * (rows + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, panel in enumerate(panels):
        parts += [f'<g transform="translate({index * _WIDTH},0)">', *_panel(panel), "</g>"]
    parts.append(f'<text x="{_LEFT}" y="{height - 8}" fill="#555">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>\n"])


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis from one power of its base to another, between two places on the panel."""

    base: int
    low: int
    high: int
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (self.end - self.start) * (log(value, self.base) - self.low) / (self.high - self.low)

    def steps(self) -> Iterator[tuple[float, str]]:
        """Yield places and their words, ten at most."""
        for power in range(self.low, self.high + 1, ceil((self.high - self.low + 1) / 10)):
            yield self.at(float(self.base) ** power), _short(float(self.base) ** power)


def _axis(base: int, values: Sequence[float], start: float, end: float) -> _Axis:
    low, high = floor(log(min(values), base) + 1e-9), ceil(log(max(values), base) - 1e-9)
    return _Axis(base, low, max(high, low + 1), start, end)


def _short(value: float) -> str:
    for size, letter in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if value >= size and value % size == 0:
            return f"{value / size:g} {letter}"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _panel(panel: Panel) -> Iterator[str]:
    points = [point for line in [*panel.lines.values(), panel.ideal] for point in line]
    right, bottom = _WIDTH - 20, _HEIGHT - _BOTTOM
    x = _axis(panel.base, [point[0] for point in points], _LEFT, right)
    y = _axis(panel.base if panel.ideal else 10, [point[1] for point in points], bottom, _TOP)
    yield f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(panel.title)}</text>'
    for place, word in x.steps():
        yield f'<path d="M{place:.1f},{_TOP} V{bottom}" stroke="#e4e4e4"/>'
        yield f'<text x="{place:.1f}" y="{bottom + 14}" text-anchor="middle">{word}</text>'
    for place, word in y.steps():
        yield f'<path d="M{_LEFT},{place:.1f} H{right}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{word}</text>'
    yield f'<path d="M{_LEFT},{_TOP} V{bottom} H{right}" fill="none" stroke="#444"/>'
    yield f'<text x="{(right + _LEFT) / 2}" y="{bottom + 30}" text-anchor="middle">{escape(panel.x)}</text>'
    yield (
        f'<text transform="translate(14,{(bottom + _TOP) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(panel.y)}</text>"
    )
    if panel.ideal:
        yield _line(panel.ideal, x, y, 'stroke="#777" stroke-dasharray="4 3"')
    for row, ((name, line), colour) in enumerate(zip(panel.lines.items(), _COLOURS, strict=False)):
        yield _line(line, x, y, f'stroke="{colour}" stroke-width="1.5"')
        for at, value in line:
            yield f'<circle cx="{x.at(at):.1f}" cy="{y.at(value):.1f}" r="2" fill="{colour}"/>'
        below = _HEIGHT + _ROW * row + 4
        yield f'<path d="M{_LEFT},{below - 4} h14" stroke="{colour}" stroke-width="2.5"/>'
        yield f'<text x="{_LEFT + 20}" y="{below}">{escape(name)}</text>'


def _line(line: Sequence[tuple[float, float]], x: _Axis, y: _Axis, stroke: str) -> str:
    points = " ".join(f"{x.at(at):.1f},{y.at(value):.1f}" for at, value in line)
    return f'<polyline points="{points}" fill="none" {stroke}/>'
