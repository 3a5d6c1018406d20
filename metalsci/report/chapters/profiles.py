"""Profiles: counters of seed kernel and winner side by side, and predicted times next to measured ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from metalsci.devices.virtual.forecast import Forecast
from metalsci.report.charts import COLOURS, Bar, Chapter, Chart, Fold, Key
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import figure, linear, named, times
from metalsci.report.tabular import Cell, DataTable, number, table, text

_SHARE = "share/"  # of the figures that are a share of the predicted time
_LEAST = 0.005  # share of the time that gets a bar
_NAMES = {
    "lanes": "lanes at work",
    "occupancy": "simdgroups on a core",
    "lines": "lines of 128 bytes an access",
    "turns": "turns of the banks an access of threadgroup memory",
    "registers": "registers of 32 bits",
    "divergence": "branches at which lanes part",
}
_OF_ALL = ("lanes", "divergence")  # figures that are shares
_CHART_HEIGHT = 150

_Times = tuple[float, float, float]  # milliseconds of seed kernel and winner, and the speedup


@dataclass(frozen=True)
class _Pair:
    """The forecasts for seed kernel and winner of a run, which are one if no candidate became the incumbent."""

    run: ReportedRun
    seed: Forecast
    winner: Forecast

    @property
    def is_one(self) -> bool:
        return self.seed is self.winner


def profiles(runs: Sequence[ReportedRun], most: int) -> Chapter | None:
    """Show what was counted and predicted for seed kernel and winner; None if that is so of no run.

    most: runs whose counters are shown. All have their times in the table.
    """
    pairs = [pair for run in runs for pair in _pairs(run)]
    if not pairs:
        return None
    shown = [pair for pair in pairs if pair.seed.sizes and pair.winner.sizes and not pair.is_one][:most]
    notes = [
        f"{pair.run.name}, {name}: not predicted: {forecast.unknown}"
        for pair in pairs
        for name, forecast in (("seed kernel", pair.seed), ("winner", pair.winner))
        if forecast.unknown
    ]
    gpus = sorted({pair.seed.gpu for pair in pairs})
    return Chapter(
        "profiles",
        "Profiles",
        "What the software device counted of seed kernel and winner, and the times that a model of "
        f"{' and '.join(gpus)} makes of it. These are predicted; the others are this machine's, measured. Counters are "
        "those of the kernel that takes longest at the largest size.",
        [_times(pairs)],
        folds=[_fold(pair, is_open=len(shown) == 1) for pair in shown],
        notes=list(dict.fromkeys(notes)),
    )


def _pairs(run: ReportedRun) -> Iterator[_Pair]:
    if not run.iterations:
        return
    first, best = run.iterations[0], run.last_incumbent
    if first.forecast is not None and best.forecast is not None:
        yield _Pair(run, first.forecast, best.forecast)


def _times(pairs: Sequence[_Pair]) -> DataTable:
    names = ("seed kernel, ms", "winner, ms", "speedup")
    head = [
        "run",
        "task",
        "model",
        "size",
        *(f"{name}: {kind}" for kind in ("measured", "predicted") for name in names),
    ]
    rows = [
        [
            text(pair.run.name),
            text(pair.run.task),
            text(pair.run.model),
            text(label),
            *_three(measured),
            *_three(predicted),
        ]
        for pair in pairs
        for label, measured, predicted in _by_size(pair)
    ]
    spans = (("", 4), ("measured", 3), ("predicted", 3))
    caption = "Seed kernel and winner at each size: measured on this machine, predicted for the GPU"
    return table("predicted", caption, head, rows, spans)


def _by_size(pair: _Pair) -> Iterator[tuple[str, _Times | None, _Times | None]]:
    """Yield the label of a size, with the times there: measured and predicted."""
    measured = _measured(pair.run)
    first = {size.label: size.seconds for size in pair.seed.sizes}
    other = {size.label: size.seconds for size in pair.winner.sizes}
    predicted = {
        label: (1e3 * first[label], 1e3 * other[label], first[label] / other[label])
        for label in first
        if label in other
    }
    for label in dict.fromkeys([*measured, *first, *other]):
        yield label, measured.get(label), predicted.get(label)


def _measured(run: ReportedRun) -> Mapping[str, _Times]:
    """Take the confirmed times, which are measured side by side; of a run that has none, the search's."""
    confirmed = {
        duel.label: (1e3 * duel.seed.timing.median, 1e3 * duel.challenger.timing.median, duel.speedup)
        for duel in run.duels
        if duel.seed.timing is not None and duel.challenger.timing is not None and duel.speedup is not None
    }
    if confirmed:
        return confirmed
    first = {reached.label: reached.milliseconds for reached in run.iterations[0].sizes}
    best = {reached.label: reached.milliseconds for reached in run.last_incumbent.sizes}
    return {label: (first[label], best[label], first[label] / best[label]) for label in best if label in first}


def _three(found: _Times | None) -> list[Cell]:
    if found is None:
        return [text("")] * 3
    seed, winner, speedup = found
    return [number(seed, figure(seed)), number(winner, figure(winner)), number(speedup, times(speedup))]


def _fold(pair: _Pair, *, is_open: bool) -> Fold:
    run = pair.run
    notes = [f"Seed kernel: {pair.seed.bottleneck}. Winner: {pair.winner.bottleneck}."]
    title = f"{run.task} · {run.model} · {run.name}: counters of seed kernel and winner"
    return Fold(run.name, title, [_chart(pair)], [_counters(pair), _advice(pair)], notes=notes, is_open=is_open)


def _advice(pair: _Pair) -> DataTable:
    """List what holds the kernels up, in their order: a sentence that is said of both stands once."""
    kernels = {"seed kernel": pair.seed.advice, "winner": pair.winner.advice}
    said = {
        sentence: [name for name in kernels if sentence in kernels[name]]
        for name in kernels
        for sentence in kernels[name]
    }
    rows = [[text(" and ".join(names)), text(sentence)] for sentence, names in said.items()]
    return table(_file("advice", pair), f"What holds them up in {pair.run.name}", ["kernel", "what"], rows)


def _counters(pair: _Pair) -> DataTable:
    names = [*pair.seed.figures, *(name for name in pair.winner.figures if name not in pair.seed.figures)]
    rows = [
        [text(_called(name)), _cell(name, pair.seed.figures.get(name)), _cell(name, pair.winner.figures.get(name))]
        for name in names
        if pair.seed.figures.get(name) or pair.winner.figures.get(name)
    ]
    caption = f"Counters of {pair.run.name}, for {pair.seed.gpu}"
    return table(_file("counters", pair), caption, ["counter", "seed kernel", "winner"], rows)


def _called(name: str) -> str:
    if name.startswith(_SHARE):
        return f"time: {name.removeprefix(_SHARE)}"
    return _NAMES.get(name, name)


def _cell(name: str, value: float | None) -> Cell:
    if value is None:
        return text("")
    if name.startswith(_SHARE) or name in _OF_ALL:
        return number(value, f"{100 * value:.1f} %")
    return number(value, f"{value:.4g}")


def _chart(pair: _Pair) -> Chart:
    kernels = {"seed kernel": pair.seed, "winner": pair.winner}
    terms = _terms(pair)
    bars, rows = [], []
    for row, (kernel, forecast) in enumerate(kernels.items()):
        begin = 0.0
        for series, term in enumerate(terms):
            share = _share(forecast, term, terms)
            if share <= 0:
                continue
            end = begin + 100 * share
            bars.append(Bar(row, begin, end, series, f"{kernel}: {100 * share:.0f} % {term}"))
            rows.append([text(kernel), text(term), number(share, f"{100 * share:.1f} %")])
            begin = end
    return Chart(
        _file("profile", pair),
        "Where its time goes",
        f"Shares of the time that is predicted for {pair.seed.gpu}, of the kernel that takes longest.",
        linear("% of the predicted time", [0, 100]),
        named("", tuple(kernels)),
        table(_file("profile", pair), f"Predicted time of {pair.run.name} by term", ["kernel", "term", "share"], rows),
        bars=bars,
        legend=[Key(term, series, "bar") for series, term in enumerate(terms)],
        height=_CHART_HEIGHT,
        left=90,
    )


def _terms(pair: _Pair) -> list[str]:
    """Pick the terms that have colours, the largest first; the last of too many is the sum of the rest."""
    largest = {
        name.removeprefix(_SHARE): max(pair.seed.figures.get(name, 0.0), pair.winner.figures.get(name, 0.0))
        for name in {**pair.seed.figures, **pair.winner.figures}
        if name.startswith(_SHARE)
    }
    ranked = sorted((name for name, share in largest.items() if share >= _LEAST), key=lambda name: -largest[name])
    if len(ranked) <= COLOURS:
        return ranked
    return [*ranked[: COLOURS - 1], "other"]


def _share(forecast: Forecast, term: str, terms: Sequence[str]) -> float:
    if term != "other":
        return forecast.figures.get(_SHARE + term, 0.0)
    shares = {name.removeprefix(_SHARE): share for name, share in forecast.figures.items() if name.startswith(_SHARE)}
    return sum(share for name, share in shares.items() if name not in terms)


def _file(kind: str, pair: _Pair) -> str:
    return f"{kind}-{pair.run.name}".replace("/", "-")
