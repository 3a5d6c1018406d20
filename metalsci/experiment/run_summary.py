"""The summary of a run, from its archive, its duels, its gate and its clock."""

import statistics
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version

from metalsci.devices.protocol import Device, Predicting
from metalsci.devices.virtual.forecast import predicted_gain
from metalsci.evaluation.paired import Duel, score_of, speedup_of
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.verdicts import GateResult
from metalsci.search.archive import Entry
from metalsci.search.loop import Finished
from metalsci.tracking.summary import Summary

# Phases that are the experiment's own work; what is left of the wall clock is the framework's. Verification is the
# comparison with the reference, whose cost is that of reading both.
_WORK = (
    "model",
    "compile",
    "kernels",
    "reference",
    "verification",
    "staging",
    "ceilings",
    "sanitizer",
    "promotion",
    "predicting",
)


@dataclass(frozen=True)
class RunNames:
    """The names and seeds of a run. seed: of its random draws. inputs_seed: of its problems' data."""

    task: str
    model: str
    seed: int
    inputs_seed: int


def summarize(
    names: RunNames, device: Device, watch: Stopwatch, finished: Finished, duels: tuple[Duel, ...], gate: GateResult
) -> Summary:
    """Put a run's result together. `duels` is empty if the winner is the seed kernel."""
    archive = finished.archive
    # one figure from the other, so that scores and speedup never contradict each other
    if duels:
        seed_score, self_speedup = score_of([d.seed for d in duels]), speedup_of(duels)
    else:
        seed_score, self_speedup = archive.seed.score, 1.0
    return Summary(
        task=names.task,
        model=names.model,
        device=device.name,
        seed=names.seed,
        inputs_seed=names.inputs_seed,
        ended_by=finished.ended_by,
        spent=finished.spent,
        iterations=archive.attempts,
        outcomes=Counter(str(e.evaluation.outcome) for e in archive.proposals),
        best_iteration=archive.incumbent.iteration,
        seed_score=seed_score,
        best_score=seed_score * self_speedup,
        self_speedup=self_speedup,
        duels=duels,
        gate=gate,
        ceilings=device.ceilings,
        seconds=_seconds(watch),
        framework_ms_per_iteration=1e3 * statistics.median([_framework(e) for e in archive.proposals] or [0.0]),
        predicted=predicted_gain(archive.incumbent.evaluation.forecast, archive.seed.evaluation.forecast),
        measured=not isinstance(device, Predicting),
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on."""
    return {name: version(name) for name in ("metalsci", "mlx", "numpy", "ziglang")}


def _seconds(watch: Stopwatch) -> dict[str, float]:
    total = watch.total
    # answers that were awaited side by side add up to more than the clock
    framework = max(0.0, total - sum(watch.seconds[phase] for phase in _WORK))
    return {**watch.seconds, "total": total, "framework": framework}


def _framework(entry: Entry) -> float:
    """Return seconds of an iteration that were neither model nor compiler, kernel or reference."""
    return entry.seconds["total"] - sum(entry.seconds.get(phase, 0.0) for phase in _WORK)
