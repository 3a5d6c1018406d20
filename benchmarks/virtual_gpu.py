"""The order that the virtual GPU gives kernels that were timed on an M1 Pro: `--recorded FOLDER`.

FOLDER holds the public recordings of github.com/vicgalle/metal-sci-kernels (its `results/` and `seeds/`), which the
user fetches. None of their code is in this repository. Counting all of it takes about half an hour of processor time,
`--time`, which also runs every candidate by this machine's clock, an hour more. `--counts FOLDER` keeps the counts, so
that another model can be tried in a minute; empty it when the profiler changes.

    python benchmarks/virtual_gpu.py --recorded metal-sci-kernels --counts /tmp/counts
"""

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from recorded_heldout import read_heldout
from recorded_hosts import BUILDERS
from recorded_noise import deviations, with_noise_again
from recordings import SIZE_OF_CPU_TIME, Recording, read_recordings

from metalsci.devices.virtual.gpu_facts import GpuValues, facts_of
from metalsci.devices.virtual.model import dispatch_time
from metalsci.devices.virtual.prediction import PredictedOrder, compare, predict
from metalsci.gate.study_figures import spearman

_SIZES = ("smallest", "middle", "largest")

Predictor = Callable[[Recording], float]


@dataclass(frozen=True)
class Ordering:
    """A predictor's order of one task's candidates.

    pairs: share of those more than 10 % apart that are right; of those that are predicted equal, half.
    best: the best recorded time over that of the best of the five predicted fastest.
    regret: recorded time of the one that is predicted fastest over the best, less one.
    ratio: predicted over recorded, median.
    """

    spearman: float
    pairs: float
    best: float
    regret: float
    ratio: float
    count: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=Path, required=True, help="a clone of the repository of the recordings")
    parser.add_argument("--counts", type=Path, help="a folder in which counts are kept")
    parser.add_argument("--time", action="store_true", help="time the candidates on this machine's processors too")
    parser.add_argument("--kept", action="store_true", help="count nothing, and leave out what is not in --counts")
    parser.add_argument("--tasks", nargs="*", default=sorted(BUILDERS), choices=sorted(BUILDERS))
    parser.add_argument("--chip", default="M1 Pro")
    arguments = parser.parse_args()
    recordings = list(
        read_recordings(
            arguments.recorded, arguments.counts, arguments.tasks, timed=arguments.time, kept=arguments.kept
        )
    )
    gpu = facts_of(arguments.chip).values()
    model = predictor(gpu)
    for size, name in enumerate(_SIZES):
        _show(f"{name} size", recordings, model, size)
    _show_repeatability(recordings)
    _show_limit(recordings, model)
    timed = [r for r in recordings if r.cpu is not None]
    _show("middle size, by processor time of this machine", timed, cpu_time, SIZE_OF_CPU_TIME)
    _show("middle size, without what was held out", [r for r in recordings if not r.held_out], model, 1)
    _show("middle size, what was held out alone", [r for r in recordings if r.held_out], model, 1)
    _show_confidence(recordings, gpu)
    _show_heldout(list(read_heldout(arguments.recorded, arguments.counts, arguments.tasks, kept=arguments.kept)), model)
    _show_ablation(recordings, gpu)


def cpu_time(recording: Recording) -> float:
    return recording.cpu or math.inf


def predictor(gpu: GpuValues) -> Predictor:
    without_doubts = gpu.changed()
    return lambda recording: predict(recording.profile, without_doubts).seconds


def order(recordings: Sequence[Recording], predict_seconds: Predictor) -> Ordering:
    """Rank the recordings of one task and size."""
    recorded = [r.seconds for r in recordings]
    predicted = [predict_seconds(r) for r in recordings]
    right = [
        _right((recorded[i], recorded[k]), (predicted[i], predicted[k]))
        for i, k in combinations(range(len(recorded)), 2)
        if max(recorded[i], recorded[k]) > 1.1 * min(recorded[i], recorded[k])
    ]
    fastest = sorted(range(len(recorded)), key=lambda i: predicted[i])[:5]
    return Ordering(
        spearman=spearman(list(zip(recorded, predicted, strict=True))) or 0.0,
        pairs=sum(right) / len(right) if right else math.nan,
        best=min(recorded) / min(recorded[i] for i in fastest),
        regret=recorded[fastest[0]] / min(recorded) - 1,
        ratio=statistics.median(p / r for p, r in zip(predicted, recorded, strict=True)),
        count=len(recorded),
    )


def _right(recorded: tuple[float, float], predicted: tuple[float, float]) -> float:
    """Return 1 if the order of two is right, 0 if not, and as a coin would get half of them, 1/2 for no order."""
    if predicted[0] == predicted[1]:
        return 0.5
    return float((recorded[0] < recorded[1]) == (predicted[0] < predicted[1]))


def by_task(recordings: Iterable[Recording], predict_seconds: Predictor, size: int) -> dict[str, Ordering]:
    of_task: dict[str, list[Recording]] = {}
    for recording in recordings:
        if recording.size == size:
            of_task.setdefault(recording.task, []).append(recording)
    return {task: order(found, predict_seconds) for task, found in of_task.items() if len(found) > 3}


def _means(orderings: Mapping[str, Ordering]) -> tuple[float, float, float, float]:
    found = [o for o in orderings.values() if not math.isnan(o.pairs)]
    return (
        statistics.fmean(o.spearman for o in orderings.values()),
        statistics.fmean(o.pairs for o in found),
        statistics.fmean(o.best for o in orderings.values()),
        statistics.fmean(o.regret for o in orderings.values()),
    )


def _show(title: str, recordings: Sequence[Recording], predict_seconds: Predictor, size: int) -> None:
    orderings = by_task(recordings, predict_seconds, size)
    if not orderings:
        return
    _say(f"\n{title}\n{'task':10} Spearman  pairs best of 5 regret  ratio kernels")
    for task, o in orderings.items():
        _say(f"{task:10} {o.spearman:+8.2f} {o.pairs:6.0%} {o.best:9.2f} {o.regret:6.0%} {o.ratio:6.2f} {o.count:7}")
    spearman, pairs, best, regret = _means(orderings)
    _say(f"{'mean':10} {spearman:+8.3f} {pairs:6.1%} {best:9.2f} {regret:6.0%}")


def _show_repeatability(recordings: Sequence[Recording]) -> None:
    """Print how well one size's recorded times foretell the order at the next: what is left of it is noise and size."""
    seconds = {(r.run, r.size): r.seconds for r in recordings}

    def previous(recording: Recording) -> float:
        return seconds[recording.run, recording.size - 1]

    for size in (1, 2):
        spearman, pairs, *_ = _means(by_task((r for r in recordings if (r.run, size - 1) in seconds), previous, size))
        _say(f"\n{_SIZES[size]} size, by the times recorded at the {_SIZES[size - 1]}: {spearman:+.3f} {pairs:.1%}")


def _of_run(seconds: Mapping[str, float]) -> Predictor:
    return lambda recording: seconds[recording.run]


def _show_limit(recordings: Sequence[Recording], predict_seconds: Predictor) -> None:
    """Print what a predictor without a fault would reach at most, by the noise of recorded times."""
    for size in (1, 2):
        here = [r for r in recordings if r.size == size]
        by_recorded = _of_run({r.run: r.seconds for r in here})
        noise = deviations(here, predict_seconds)
        drawn = [_means(by_task(each, by_recorded, size)) for each in with_noise_again(here, noise)]
        spearman, pairs, best = (statistics.fmean(each[place] for each in drawn) for place in (0, 1, 2))
        found = f"{spearman:+.2f} {pairs:.0%}, best of five {best:.2f}"
        _say(f"{_SIZES[size]} size, at most, by the noise of the recorded times: {found}")


def _show_confidence(recordings: Sequence[Recording], gpu: GpuValues) -> None:
    """Print how many pairs more than 10 % apart at the middle size are right, by the predicted difference."""
    bins = {"under 1.1": (1.0, 1.1), "1.1 to 1.2": (1.1, 1.2), "1.2 to 1.5": (1.2, 1.5), "over 1.5": (1.5, math.inf)}
    right: dict[str, list[float]] = {name: [] for name in [*bins, "decided", "over 1.5 and decided"]}
    middle = [(r, predict(r.profile, gpu)) for r in recordings if r.size == 1]
    for (one, a), (other, b) in combinations(middle, 2):
        apart = max(one.seconds, other.seconds) / min(one.seconds, other.seconds)
        if one.task != other.task or apart < 1.1:
            continue
        ratio = max(a.seconds, b.seconds) / min(a.seconds, b.seconds)
        correct = _right((one.seconds, other.seconds), (a.seconds, b.seconds))
        right[next(name for name, (low, high) in bins.items() if low <= ratio < high)].append(correct)
        if compare(a, b).order is not PredictedOrder.UNDECIDED:
            right["decided"].append(correct)
            if ratio > 1.5:
                right["over 1.5 and decided"].append(correct)
    _say("\npairs by their predicted ratio, middle size")
    for name, found in right.items():
        if found:
            _say(f"{name:20} {sum(found) / len(found):6.1%} of {len(found):,}")


def _show_heldout(recordings: Sequence[Recording], predict_seconds: Predictor) -> None:
    """Show pairs of the published sweeps' winners and seed kernels at the held-out sizes, more than 10 % apart."""
    right: dict[str, list[float]] = {}
    for one, other in combinations(recordings, 2):
        apart = max(one.seconds, other.seconds) / min(one.seconds, other.seconds)
        if one.task == other.task and apart > 1.1:
            predicted = predict_seconds(one), predict_seconds(other)
            right.setdefault(one.task, []).append(_right((one.seconds, other.seconds), predicted))
    if right:
        _say("\nheld-out sizes, pairs that are right, those that are predicted equal as half")
        _say("\n".join(f"{task:10} {_told(found)}" for task, found in right.items()))
        _say(f"{'all':10} {_told([each for found in right.values() for each in found])}")


def _told(right: Sequence[float]) -> str:
    return f"{sum(right):.1f} of {len(right)}, {right.count(0.5)} of them predicted equal"


def _show_ablation(recordings: Sequence[Recording], gpu: GpuValues) -> None:
    """Print the orderings without each term, and with each assumed constant halved and doubled."""
    terms = list(predict(recordings[0].profile, gpu).terms)
    _say("\nwithout a term, middle size")
    for term in terms:
        spearman, pairs, *_ = _means(by_task(recordings, _without(term, gpu), 1))
        _say(f"{term:20} {spearman:+.3f} {pairs:6.1%}")
    _say("\nassumed constants halved and doubled, middle size")
    for name, fact in facts_of(gpu.name).facts().items():
        if fact.published:
            continue
        halved = _means(by_task(recordings, predictor(gpu.changed(**{name: fact.value / 2})), 1))
        doubled = _means(by_task(recordings, predictor(gpu.changed(**{name: fact.value * 2})), 1))
        _say(f"{name:20} {halved[0]:+.3f} {halved[1]:6.1%}   {doubled[0]:+.3f} {doubled[1]:6.1%}")


def _without(term: str, gpu: GpuValues) -> Predictor:
    def seconds(recording: Recording) -> float:
        total = 0.0
        for each in recording.profile.dispatches:
            terms = dispatch_time(each, gpu).terms
            total += each.dispatches * sum(value for name, value in terms.items() if name != term)
        return total

    return seconds


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
