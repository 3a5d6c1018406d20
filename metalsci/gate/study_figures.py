"""Findings of a study about groups of runs: winners that hold, scores against Φ, how hard a task generalises."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from metalsci.evaluation.promotion.students_t import beta_quantile
from metalsci.gate.study import StudiedCandidate, StudiedRun

_TAIL = 0.025
_NORMAL = 1.96
_FEWEST = 4  # candidates of a run for a rank correlation with an interval
_KINDS: dict[str, Callable[[StudiedRun], str]] = {
    "all": lambda run: "all",
    "task": lambda run: run.task,
    "model": lambda run: run.model,
    "strategy": lambda run: run.strategy,
}


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, out of `count` observations; None without any."""

    value: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class StudiedGroup:
    """Figures about runs of one task, model or strategy.

    kind, name: what they share. runs, candidates: how many; candidates that were right in the search.
    winners: share of winners that are right held out and no slower than the seed kernel.
    correlation: of score and Φ, by ranks within each run.
    difficulty: the task's generalisation difficulty in bits: −log2 of the share of candidates, right in the search,
        that hold (after "Towards Exact Computation of Inductive Bias",
        arXiv 2406.15941).
    """

    kind: str
    name: str
    runs: int
    candidates: int
    winners: Estimate
    correlation: Estimate
    difficulty: Estimate


def groups(runs: Sequence[StudiedRun], no_slower: float) -> Iterator[StudiedGroup]:
    """Yield all runs together, then those of each task, model and strategy.

    no_slower: self-speedup from which a kernel holds.
    """
    for kind, key in _KINDS.items():
        for name in sorted({key(run) for run in runs}):
            yield _group(kind, name, [run for run in runs if key(run) == name], no_slower)


def _group(kind: str, name: str, runs: Sequence[StudiedRun], no_slower: float) -> StudiedGroup:
    tried = [candidate for run in runs for candidate in run.candidates if candidate.correct]
    winners = [candidate for candidate in tried if candidate.winner]
    return StudiedGroup(
        kind,
        name,
        len(runs),
        len(tried),
        share(sum(winner.holds(no_slower) for winner in winners), len(winners)),
        rank_correlation([_ranked(run) for run in runs]),
        bits(share(sum(candidate.holds(no_slower) for candidate in tried), len(tried))),
    )


def _ranked(run: StudiedRun) -> list[tuple[float, float]]:
    return [(candidate.score, candidate.phi) for candidate in run.candidates if candidate.correct and candidate.phi]


def share(count: int, of: int) -> Estimate:
    """Estimate a binomial share with its exact interval (Clopper and Pearson, Biometrika 26, 1934)."""
    if not of:
        return Estimate(None, None, None, 0)
    low = beta_quantile(_TAIL, count, of - count + 1) if count else 0.0
    return Estimate(count / of, low, beta_quantile(1 - _TAIL, count + 1, of - count), of)


def bits(holds: Estimate) -> Estimate:
    """Return the information in a share, in bits: infinite for none."""
    if holds.value is None or holds.low is None or holds.high is None:
        return holds
    return Estimate(_bits(holds.value), _bits(holds.high), _bits(holds.low), holds.count)


def _bits(value: float) -> float:
    if value > 0:
        return -math.log2(value) + 0.0
    return math.inf


def rank_correlation(samples: Sequence[Sequence[tuple[float, float]]]) -> Estimate:
    """Compute Spearman's of each sample, brought together by Fisher's z.

    Its variance is that of Fieller, Hartley and Pearson (Biometrika 44, 1957).
    """
    usable = [sample for sample in samples if len(sample) >= _FEWEST]
    count = sum(map(len, usable))
    found = [(len(sample) - 3, rho) for sample in usable if (rho := spearman(sample)) is not None]
    if not found:
        return Estimate(None, None, None, count)
    weight = sum(each for each, _ in found)
    z = sum(each * math.atanh(max(-0.9999, min(0.9999, rho))) for each, rho in found) / weight
    reach = _NORMAL * math.sqrt(1.06 / weight)
    return Estimate(math.tanh(z), math.tanh(z - reach), math.tanh(z + reach), count)


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the correlation of ranks; None if all are of one rank."""
    one, other = (_ranks([pair[side] for pair in pairs]) for side in (0, 1))
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return statistics.correlation(one, other)


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the ranks of values; equal ones share the mean of theirs."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def held(candidate: StudiedCandidate, no_slower: float) -> str:
    """Say in a word how a candidate did held out."""
    if candidate.holds(no_slower):
        return "holds"
    if candidate.heldout.correct:
        return "slower"
    return str(candidate.heldout)
