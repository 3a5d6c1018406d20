"""The order that the virtual GPU gives kernels that were timed on an M1 Pro: `--recorded FOLDER`.

FOLDER holds the public recordings of github.com/vicgalle/metal-sci-kernels (its `results/` and `seeds/`), which the
user fetches. None of their code is in this repository. Counting all of it takes about half an hour of processor time;
`--counts FOLDER` keeps the counts, so that another model can be tried in a minute.

    python benchmarks/virtual_gpu.py --recorded metal-sci-kernels --counts /tmp/counts
"""

import argparse
import json
import math
import pickle
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from recorded_hosts import BUILDERS, dispatches

from metalsci import cpu_metal
from metalsci.cpu_metal.profiler.counters import Profile
from metalsci.devices.virtual.gpu_facts import GpuValues, facts_of
from metalsci.devices.virtual.model import dispatch_time
from metalsci.devices.virtual.prediction import PredictedOrder, compare, predict

# Not looked at while constants were chosen: three tasks, and one model's candidates of every task.
HELD_OUT_TASKS = frozenset(("gradshaf", "ising", "lj"))
HELD_OUT_MODEL = "gpt-5.5"
_SIZES = ("smallest", "middle", "largest")


@dataclass(frozen=True)
class Recording:
    """A recorded candidate at one size: seconds on the M1 Pro, and its counts here."""

    task: str
    run: str
    size: int
    seconds: float
    profile: Profile

    @property
    def held_out(self) -> bool:
        return self.task in HELD_OUT_TASKS or HELD_OUT_MODEL in self.run


Predictor = Callable[[Recording], float]


@dataclass(frozen=True)
class Ordering:
    """A predictor's order of one task's candidates.

    pairs: share of those more than 10 % apart that are right.
    best: the best recorded time over that of the best of the five predicted fastest.
    ratio: predicted over recorded, median.
    """

    spearman: float
    pairs: float
    best: float
    ratio: float
    count: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=Path, required=True, help="a clone of the repository of the recordings")
    parser.add_argument("--counts", type=Path, help="a folder in which counts are kept")
    parser.add_argument("--tasks", nargs="*", default=sorted(BUILDERS), choices=sorted(BUILDERS))
    parser.add_argument("--chip", default="M1 Pro")
    arguments = parser.parse_args()
    recordings = list(_recordings(arguments.recorded, arguments.counts, arguments.tasks))
    gpu = facts_of(arguments.chip).values()
    model = predictor(gpu)
    for size, name in enumerate(_SIZES):
        _show(f"{name} size", recordings, model, size)
    _show("middle size, without what was held out", [r for r in recordings if not r.held_out], model, 1)
    _show("middle size, what was held out alone", [r for r in recordings if r.held_out], model, 1)
    _show_confidence(recordings, gpu)
    _show_ablation(recordings, gpu)


def predictor(gpu: GpuValues) -> Predictor:
    return lambda recording: predict(recording.profile, gpu).seconds


def _recordings(recorded: Path, counts: Path | None, tasks: Sequence[str]) -> Iterator[Recording]:
    with cpu_metal.Device() as device:
        for task in tasks:
            for result in sorted((recorded / "results").glob(f"{task}_*/[0-9][0-9]_result.json")):
                yield from _one(task, result, counts, device)


def _one(task: str, result: Path, counts: Path | None, device: cpu_metal.Device) -> Iterator[Recording]:
    source = result.with_name(f"{result.name[:2]}_candidate.metal")
    told = json.loads(result.read_text())
    if not told.get("correct") or not source.exists():
        return
    run = f"{result.parent.name}/{result.name[:2]}"
    seconds = {size["label"]: float(size["gpu_seconds"]) for size in told["sizes"]}
    profiles = _counted(task, source.read_text(), list(seconds), run, counts, device)
    for size, (label, profile) in enumerate(profiles.items()):
        yield Recording(task, run, size, seconds[label], profile)


def _counted(
    task: str, source: str, labels: Sequence[str], run: str, counts: Path | None, device: cpu_metal.Device
) -> Mapping[str, Profile]:
    """Return profiles by the labels of sizes; none of a candidate that this machine cannot run."""
    kept = counts / f"{run.replace('/', '__')}.pkl" if counts else None
    if kept and kept.exists():
        return {label: profile for label, (profile, *_) in pickle.loads(kept.read_bytes()).items()}
    try:
        kernels = device.compile(source).kernels
        made = {label: device.profile(dispatches(task, device, kernels, label)) for label in labels}
    except (cpu_metal.CompileError, cpu_metal.DispatchError) as error:
        sys.stderr.write(f"{run}: {str(error).splitlines()[0]}\n")
        return {}
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps({label: (profile,) for label, profile in made.items()}))
    return made


def order(recordings: Sequence[Recording], predict_seconds: Predictor) -> Ordering:
    """Rank the recordings of one task and size."""
    recorded = [r.seconds for r in recordings]
    predicted = [predict_seconds(r) for r in recordings]
    right = [
        (recorded[i] - recorded[k]) * (predicted[i] - predicted[k]) > 0
        for i, k in combinations(range(len(recorded)), 2)
        if max(recorded[i], recorded[k]) > 1.1 * min(recorded[i], recorded[k])
    ]
    fastest = sorted(range(len(recorded)), key=lambda i: predicted[i])[:5]
    return Ordering(
        spearman=_spearman(recorded, predicted),
        pairs=sum(right) / len(right) if right else math.nan,
        best=min(recorded) / min(recorded[i] for i in fastest),
        ratio=statistics.median(p / r for p, r in zip(predicted, recorded, strict=True)),
        count=len(recorded),
    )


def _spearman(a: Sequence[float], b: Sequence[float]) -> float:
    if len(set(a)) < 2 or len(set(b)) < 2:
        return 0.0
    return statistics.correlation(_ranks(a), _ranks(b))


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1; equal values share their mean rank."""
    ordered = sorted(values)
    return [ordered.index(v) + (ordered.count(v) + 1) / 2 for v in values]


def by_task(recordings: Iterable[Recording], predict_seconds: Predictor, size: int) -> dict[str, Ordering]:
    of_task: dict[str, list[Recording]] = {}
    for recording in recordings:
        if recording.size == size:
            of_task.setdefault(recording.task, []).append(recording)
    return {task: order(found, predict_seconds) for task, found in of_task.items() if len(found) > 3}


def _means(orderings: Mapping[str, Ordering]) -> tuple[float, float, float]:
    found = [o for o in orderings.values() if not math.isnan(o.pairs)]
    return (
        statistics.fmean(o.spearman for o in orderings.values()),
        statistics.fmean(o.pairs for o in found),
        statistics.fmean(o.best for o in orderings.values()),
    )


def _show(title: str, recordings: Sequence[Recording], predict_seconds: Predictor, size: int) -> None:
    orderings = by_task(recordings, predict_seconds, size)
    if not orderings:
        return
    _say(f"\n{title}\n{'task':10} {'Spearman':>8} {'pairs':>6} {'best of 5':>9} {'ratio':>6} {'kernels':>7}")
    for task, o in orderings.items():
        _say(f"{task:10} {o.spearman:+8.2f} {o.pairs:6.0%} {o.best:9.2f} {o.ratio:6.2f} {o.count:7}")
    spearman, pairs, best = _means(orderings)
    _say(f"{'mean':10} {spearman:+8.3f} {pairs:6.1%} {best:9.2f}")


def _show_confidence(recordings: Sequence[Recording], gpu: GpuValues) -> None:
    """Print how many pairs more than 10 % apart at the middle size are right, by the predicted difference."""
    bins = {"under 1.1": (1.0, 1.1), "1.1 to 1.2": (1.1, 1.2), "1.2 to 1.5": (1.2, 1.5), "over 1.5": (1.5, math.inf)}
    right: dict[str, list[bool]] = {name: [] for name in [*bins, "decided"]}
    middle = [(r, predict(r.profile, gpu)) for r in recordings if r.size == 1]
    for (one, a), (other, b) in combinations(middle, 2):
        apart = max(one.seconds, other.seconds) / min(one.seconds, other.seconds)
        if one.task != other.task or apart < 1.1:
            continue
        ratio = max(a.seconds, b.seconds) / min(a.seconds, b.seconds)
        correct = (one.seconds < other.seconds) == (a.seconds < b.seconds)
        right[next(name for name, (low, high) in bins.items() if low <= ratio < high)].append(correct)
        if compare(a, b).order is not PredictedOrder.UNDECIDED:
            right["decided"].append(correct)
    _say("\npairs by their predicted ratio, middle size")
    for name, found in right.items():
        if found:
            _say(f"{name:10} {sum(found) / len(found):6.1%} of {len(found):,}")


def _show_ablation(recordings: Sequence[Recording], gpu: GpuValues) -> None:
    """Print the orderings without each term, and with each assumed constant halved and doubled."""
    terms = list(predict(recordings[0].profile, gpu).terms)
    _say("\nwithout a term, middle size")
    for term in terms:
        spearman, pairs, _ = _means(by_task(recordings, _without(term, gpu), 1))
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
