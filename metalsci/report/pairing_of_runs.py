"""Runs or sweeps next to each other: paired by task and seed, with the effect, its interval and a clear word."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap

from metalsci.report.means import Mean, geometric_mean
from metalsci.report.reported_run import ReportedRun

# Nemenyi's critical values at 5 % for 2 to 10 groups (Demšar, JMLR 7, 2006, table 5).
_NEMENYI = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
_NEAR = 0.005  # of a logarithm: speedups that print alike

Figure = Callable[[ReportedRun], float | None]
Key = tuple[str, int | None]


@dataclass(frozen=True)
class RunPair:
    """Two runs of one task and seed. ratio: the first's speedup over the second's; None if one has no result."""

    task: str
    seed: int | None
    first: ReportedRun
    second: ReportedRun
    ratio: float | None


@dataclass(frozen=True)
class Effect:
    """The geometric mean of the pairs' ratios, and what it says in a sentence."""

    mean: Mean
    pairs: int
    sentence: str


@dataclass(frozen=True)
class Rank:
    """A group's average rank over the blocks in which every group has a result; 1 is the best.

    low, high: within these another group's rank is not distinguishable. alike: groups that are not.
    """

    name: str
    rank: float
    low: float
    high: float
    speedup: Mean
    alike: tuple[str, ...]


def confirmed(run: ReportedRun) -> float | None:
    """Return the speedup on the sizes that the search scored."""
    return run.told_speedup


def held_out(run: ReportedRun) -> float | None:
    """Return the speedup at the gate; None for a winner that was wrong there."""
    return run.told_heldout


def pair(first: Sequence[ReportedRun], second: Sequence[ReportedRun]) -> list[RunPair]:
    """Pair by task and seed. Two single runs of one task are a pair.

    If a group has several of one task and seed, those of the same model and strategy belong together, then those of the
    same model; the others in their order.
    """
    if len(first) == len(second) == 1 and first[0].task == second[0].task:
        return [_paired(first[0], second[0])]
    others = _blocks(second)
    pairs = []
    for key, members in _blocks(first).items():
        pairs += list(starmap(_paired, _matched(members, others.get(key, []))))
    return pairs


def _matched(first: Sequence[ReportedRun], second: Sequence[ReportedRun]) -> list[tuple[ReportedRun, ReportedRun]]:
    likeness: Sequence[Callable[[ReportedRun], object]] = (
        lambda run: (run.model, run.strategy),
        lambda run: run.model,
        lambda run: None,
    )
    partners: dict[int, int] = {}
    for alike in likeness:
        for place, run in enumerate(first):
            free = [i for i in range(len(second)) if i not in partners.values() and alike(second[i]) == alike(run)]
            if place not in partners and free:
                partners[place] = free[0]
    return [(first[place], second[other]) for place, other in sorted(partners.items())]


def effect(pairs: Sequence[RunPair], figure: Figure) -> Effect:
    """Compute the effect of the first group against the second.

    A single pair is judged by the quartiles of its own rounds.
    """
    figures = [(figure(each.first), figure(each.second)) for each in pairs]
    ratios = [a / b for a, b in figures if a and b]
    mean = geometric_mean(ratios)
    if not ratios:
        return Effect(mean, 0, "no pair has both figures")
    if len(ratios) == 1:
        return Effect(mean, 1, _of_one(next(p for p in pairs if figure(p.first) and figure(p.second)), mean, figure))
    low, high = mean.low, mean.high
    told = f"{mean.value:.3f}× over {len(ratios)} pairs, 95 % interval {low:.3f}–{high:.3f}"
    if low <= 1 <= high:
        return Effect(mean, len(ratios), f"within noise: {told}, which holds 1")
    return Effect(mean, len(ratios), f"{_word(mean)}: {told}")


def ranks(groups: Mapping[str, Sequence[ReportedRun]], figure: Figure = confirmed) -> tuple[list[Rank], int]:
    """Compute average ranks with Nemenyi's critical difference, the best first; and over how many tasks and seeds.

    A winner that was wrong shares the last rank.
    """
    names = list(groups)
    blocks = {name: _blocks(members) for name, members in groups.items()}
    shared = [key for key in blocks[names[0]] if all(key in blocks[name] for name in names)]
    if not shared:
        return [], 0
    places: dict[str, list[float]] = {name: [] for name in names}
    for key in shared:
        values = {name: _mean_of(blocks[name][key], figure) for name in names}
        for name, place in _places(values).items():
            places[name].append(place)
    average = {name: statistics.fmean(found) for name, found in places.items()}
    reach = _critical(len(names), len(shared))
    found = []
    for name in sorted(names, key=lambda name: average[name]):
        alike = tuple(o for o in names if o != name and abs(average[o] - average[name]) < reach)
        speedups = list(filter(None, map(figure, groups[name])))
        low, high = average[name] - reach / 2, average[name] + reach / 2
        found.append(Rank(name, average[name], low, high, geometric_mean(speedups), alike))
    return found, len(shared)


def _critical(groups: int, blocks: int) -> float:
    """Compute Nemenyi's critical difference of two average ranks."""
    return _NEMENYI[min(groups, 10) - 2] * math.sqrt(groups * (groups + 1) / (6 * blocks))


def _places(values: Mapping[str, float]) -> dict[str, float]:
    """Rank the groups of one block; equals share the mean of their places."""
    return {
        name: 1
        + sum(other > value + _NEAR * value for other in values.values())
        + (sum(abs(other - value) <= _NEAR * max(value, other) for other in values.values()) - 1) / 2
        for name, value in values.items()
    }


def _mean_of(runs: Sequence[ReportedRun], figure: Figure) -> float:
    known = list(filter(None, map(figure, runs)))
    if known:
        return statistics.geometric_mean(known)
    return 0.0


def _blocks(runs: Sequence[ReportedRun]) -> dict[Key, list[ReportedRun]]:
    found: dict[Key, list[ReportedRun]] = {}
    for run in runs:
        found.setdefault((run.task, run.seed), []).append(run)
    return found


def _paired(first: ReportedRun, second: ReportedRun) -> RunPair:
    a, b = confirmed(first), confirmed(second)
    return RunPair(first.task, first.seed, first, second, a / b if a and b else None)


def _of_one(only: RunPair, mean: Mean, figure: Figure) -> str:
    told = f"{mean.value:.3f}× in one pair"
    ranges = _quartiles(only.first, figure), _quartiles(only.second, figure)
    if abs(math.log(mean.value)) < _NEAR:
        return f"within noise: {told}"
    if None in ranges:
        return f"{told}; one pair has no interval: run further seeds"
    (low, high), (other_low, other_high) = ranges  # type: ignore[misc]
    told += f"; quartiles {low:.2f}–{high:.2f} and {other_low:.2f}–{other_high:.2f}"
    if low <= other_high and other_low <= high:
        return f"within noise: {told} overlap"
    return f"{_word(mean)}: {told}; other seeds may differ"


def _word(mean: Mean) -> str:
    if mean.value > 1:
        return "faster"
    return "slower"


def _quartiles(run: ReportedRun, figure: Figure) -> tuple[float, float] | None:
    """Return those of the rounds in which the run's winner was timed next to its seed kernel."""
    if figure is held_out:
        if run.gate:
            return run.gate.quartiles
        return None
    known = [duel.quartiles for duel in run.duels if duel.quartiles]
    if not known or min(low for low, _ in known) <= 0:
        return None
    lows, highs = [low for low, _ in known], [high for _, high in known]
    return statistics.geometric_mean(lows), statistics.geometric_mean(highs)
