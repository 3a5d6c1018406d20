"""Generalisation, measured after the fact: every candidate of runs that have ended, at the held-out size.

This is a study of searches, not a second chance: nothing that a search reads comes from here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.devices.protocol import Device, Module
from metalsci.evaluation.evaluator import Repeats
from metalsci.evaluation.paired import Contender, duel
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.staged_size import Bench
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.heldout import GateError, further
from metalsci.task.definition import Size, Task
from metalsci.task.input_seeds import held_out
from metalsci.task.references import References, of_the_gate


@dataclass(frozen=True)
class StudiedCandidate:
    """A candidate of a run and how it did at the held-out size.

    iteration, score, correct: of its evaluation in the search. winner: whether it was the last incumbent.
    heldout, detail: the outcome there. phi: Φ, speedup: over the seed kernel; both None unless it was right.
    """

    iteration: int
    score: float
    correct: bool
    winner: bool
    heldout: Outcome
    detail: str = ""
    phi: float | None = None
    speedup: float | None = None

    def holds(self, no_slower: float) -> bool:
        """Return True if it is right there and no slower than the seed kernel."""
        return self.heldout.correct and self.speedup is not None and self.speedup >= no_slower


@dataclass(frozen=True)
class StudiedRun:
    """A run whose candidates were judged at the held-out size."""

    folder: str
    task: str
    model: str
    strategy: str
    candidates: tuple[StudiedCandidate, ...]


class HeldOutBench:
    """The held-out problems of one task, with its seed kernel. Use as a context manager.

    rounds: of seed kernel and candidate in turn. Raises GateError if the seed kernel fails.
    """

    def __init__(self, task: Task, size: Size, device: Device, inputs_seed: int, rounds: int = 5) -> None:
        self._task = task
        self._device = device
        self._repeats = Repeats(warmup=1, timed=rounds, seconds=30.0)
        self._watch = Stopwatch()
        references: References = of_the_gate()
        self._cleanup = ExitStack()
        self._bench = Bench(task, size, device, held_out(inputs_seed), self._watch, references)
        self._cleanup.callback(self._bench.close)
        try:
            self._seed = device.compile(task.seed_kernel, task.signatures)
        except CANDIDATE_FAULTS as failure:
            self._cleanup.close()
            raise GateError(f"the seed kernel failed at {size.label}: {failure}") from failure
        self._cleanup.callback(self._seed.close)

    def judge(self, source: str) -> tuple[Contender, float | None]:
        """Return how a candidate did and its self-speedup. Raises GateError if the seed kernel fails."""
        try:
            with self._compiled(source) as module:
                result = duel(self._bench, self._seed, module, self._repeats)
                if not result.seed.outcome.correct:
                    raise GateError(f"the seed kernel failed at {result.label}: {result.seed.detail}")
                if result.speedup is not None and (failed := further(self._bench, module)):
                    return failed, None
                return result.challenger, result.speedup
        except CANDIDATE_FAULTS as failure:
            return Contender(Outcome.of(failure), str(failure)), None

    @contextmanager
    def _compiled(self, source: str) -> Iterator[Module]:
        module = self._device.compile(source, self._task.signatures)
        try:
            yield module
        finally:
            module.close()

    def close(self) -> None:
        self._cleanup.close()

    def __enter__(self) -> "HeldOutBench":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Attempted:
    """A candidate as a search left it."""

    iteration: int
    source: str
    score: float
    correct: bool
    winner: bool


def study(
    bench: HeldOutBench, attempts: Sequence[Attempted], progress: Callable[[int], None]
) -> tuple[StudiedCandidate, ...]:
    """Judge each candidate. progress: is told how many have been."""
    found = []
    for count, attempt in enumerate(attempts, start=1):
        side, speedup = bench.judge(attempt.source)
        phi = side.roofline.fraction if side.roofline and speedup is not None else None
        found.append(
            StudiedCandidate(
                iteration=attempt.iteration,
                score=attempt.score,
                correct=attempt.correct,
                winner=attempt.winner,
                heldout=side.outcome,
                detail=side.detail if not side.outcome.correct else "",
                phi=phi,
                speedup=speedup,
            )
        )
        progress(count)
    return tuple(found)
