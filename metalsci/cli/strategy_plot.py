"""A plot of a comparison of strategies, as SVG: the incumbent's speed over evaluations, a panel for each landscape."""

from collections.abc import Sequence
from html import escape

from metalsci.search.strategy_comparison import Interval, Standing

_WIDTH, _HEIGHT, _MARGIN, _LEGEND = 420, 300, 45, 130
_POINTS = 30  # at which a band is drawn
# Okabe and Ito: told apart by colour-blind readers too
_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#B8A800", "#0072B2", "#D55E00", "#CC79A7", "#777777")
_DASHES = ("none", "5 3", "1 3")


def plot_standings(standings: Sequence[Standing]) -> str:
    """Draw means with 95 % bands; a strategy has the same colour in every panel."""
    landscapes = list(dict.fromkeys(s.landscape for s in standings))
    names = sorted({s.strategy for s in standings})
    strokes = {name: _stroke(i) for i, name in enumerate(names)}
    width = len(landscapes) * _WIDTH + _LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, landscape in enumerate(landscapes):
        panel = [s for s in standings if s.landscape == landscape]
        parts.append(f'<g transform="translate({index * _WIDTH},0)">{_panel(landscape, panel, strokes)}</g>')
    for row, name in enumerate(names):
        y = _MARGIN + 18 * row
        x = len(landscapes) * _WIDTH
        colour, dashes = strokes[name]
        parts.append(f'<path d="M{x},{y - 4} h14" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>')
        parts.append(f'<text x="{x + 20}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _stroke(index: int) -> tuple[str, str]:
    """Return colour and dashes of a line; beyond the colours, the first ones come again, dashed."""
    return _COLOURS[index % len(_COLOURS)], _DASHES[index // len(_COLOURS) % len(_DASHES)]


def _panel(landscape: str, standings: Sequence[Standing], strokes: dict[str, tuple[str, str]]) -> str:
    length = len(standings[0].curves[0])
    at = sorted({round(i * (length - 1) / _POINTS) for i in range(_POINTS + 1)})
    bands = {s.strategy: [Interval.of([curve[i] for curve in s.curves]) for i in at] for s in standings}
    top = max(band.high for row in bands.values() for band in row) or 1.0
    right, bottom = _WIDTH - 20, _HEIGHT - _MARGIN

    def x(evaluation: int) -> float:
        return _MARGIN + (right - _MARGIN) * evaluation / max(1, length - 1)

    def y(speed: float) -> float:
        return bottom - (bottom - 30) * speed / top

    centre = (right + _MARGIN) / 2
    parts = [
        f'<text x="{_MARGIN}" y="18" font-weight="bold">{escape(landscape)}</text>',
        f'<path d="M{_MARGIN},30 V{bottom} H{right}" fill="none" stroke="#444"/>',
        f'<text x="{centre}" y="{_HEIGHT - 12}" text-anchor="middle">evaluations (of {length - 1})</text>',
        f'<text x="{_MARGIN - 6}" y="36" text-anchor="end">{top:.1f}</text>',
        f'<text x="{_MARGIN - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text transform="translate(12,{(bottom + 30) / 2}) rotate(-90)" text-anchor="middle">doublings</text>',
    ]
    areas: list[str] = []
    lines: list[str] = []
    for name, row in bands.items():
        upper = [f"{x(i):.1f},{y(band.high):.1f}" for i, band in zip(at, row, strict=True)]
        lower = [f"{x(i):.1f},{y(band.low):.1f}" for i, band in zip(at, row, strict=True)]
        middle = [f"{x(i):.1f},{y(band.mean):.1f}" for i, band in zip(at, row, strict=True)]
        colour, dashes = strokes[name]
        areas.append(f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="{colour}" opacity="0.06"/>')
        lines.append(
            f'<polyline points="{" ".join(middle)}" fill="none" stroke="{colour}" stroke-width="1.5" '
            f'stroke-dasharray="{dashes}"/>'
        )
    return "\n".join([*parts, *areas, *lines])
