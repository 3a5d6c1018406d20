"""A study as a picture (SVG): score against Φ, a panel for each task."""

import math
from collections.abc import Sequence
from html import escape

from metalsci.gate.study import StudiedRun
from metalsci.gate.study_figures import StudiedGroup

_WIDTH, _HEIGHT, _MARGIN = 340, 320, 48
_COLUMNS = 4
_HOLDS, _FAILS = "#0072B2", "#D55E00"  # Okabe and Ito: told apart by colour-blind readers too


def plot_study(runs: Sequence[StudiedRun], found: Sequence[StudiedGroup], no_slower: float) -> str:
    """Draw each candidate that was right in the search and held out. Logarithmic axes; a cross is slower held out."""
    tasks = sorted({run.task for run in runs})
    rows = math.ceil(len(tasks) / _COLUMNS)
    width, height = min(len(tasks), _COLUMNS) * _WIDTH, rows * _HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, task in enumerate(tasks):
        group = next(group for group in found if group.kind == "task" and group.name == task)
        points = [
            (candidate.score, candidate.phi, candidate.holds(no_slower))
            for run in runs
            if run.task == task
            for candidate in run.candidates
            if candidate.correct and candidate.phi
        ]
        x, y = index % _COLUMNS * _WIDTH, index // _COLUMNS * _HEIGHT
        parts.append(f'<g transform="translate({x},{y})">{_panel(task, group, points)}</g>')
    legend = "study only, after the runs had ended; circles hold at the held-out size, crosses are slower than the seed"
    parts.append(f'<text x="8" y="{height - 8}">{legend}</text></svg>\n')
    return "\n".join(parts)


def _panel(task: str, group: StudiedGroup, points: Sequence[tuple[float, float, bool]]) -> str:
    right, bottom, top = _WIDTH - 16, _HEIGHT - _MARGIN, 44
    rho = group.correlation.value
    difficulty = group.difficulty.value
    told = [f"{len(points)} candidates"]
    told += [f"rank correlation {rho:.2f}"] if rho is not None else []
    told += [f"{difficulty:.2f} bits"] if difficulty is not None and math.isfinite(difficulty) else []
    parts = [
        f'<text x="{_MARGIN}" y="18" font-weight="bold">{escape(task)}</text>',
        f'<text x="{_MARGIN}" y="34" fill="#444">{escape(", ".join(told))}</text>',
        f'<path d="M{_MARGIN},{top} V{bottom} H{right}" fill="none" stroke="#444"/>',
        f'<text x="{(right + _MARGIN) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">score</text>',
        f'<text transform="translate(14,{(bottom + top) / 2}) rotate(-90)" text-anchor="middle">Φ</text>',
    ]
    if not points:
        return "\n".join(parts)
    across = _Scale([score for score, _, _ in points], _MARGIN + 10, right - 10)
    up = _Scale([phi for _, phi, _ in points], bottom - 10, top + 10)
    for scale, at in ((across, bottom + 14), (up, 0)):
        for value in (scale.low, scale.high):
            place = (scale(value), at) if at else (_MARGIN - 4, scale(value))
            anchor = "middle" if at else "end"
            parts.append(f'<text x="{place[0]:.0f}" y="{place[1]:.0f}" text-anchor="{anchor}">{value:.2g}</text>')
    for score, phi, holds in points:
        x, y = across(score), up(phi)
        if holds:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{_HOLDS}" fill-opacity="0.7"/>')
        else:
            parts.append(f'<path d="M{x - 3:.1f},{y - 3:.1f} l6,6 m0,-6 l-6,6" stroke="{_FAILS}" stroke-width="1.5"/>')
    return "\n".join(parts)


class _Scale:
    """A logarithmic scale from values to places."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low, self.high = min(values), max(values)
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        if self.low == self.high:
            return (self._begin + self._end) / 2
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self._begin + share * (self._end - self._begin)
