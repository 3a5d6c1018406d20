"""The verdicts of the gate, with their evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from metalsci.devices.virtual.prediction import PredictedOrder
from metalsci.evaluation.paired import Contender
from metalsci.msl.diagnostics import Finding


class Verdict(StrEnum):
    GENERALIZES = "generalizes"
    """Correct, and faster than the seed kernel by what the gate asks for."""
    TIED = "tied"
    """Correct, and about as fast."""
    WOULD_NOT_TRANSFER = "would not transfer"
    """Faster on this machine's processor; on the GPU that it is for, it is predicted slower."""
    REGRESSES = "regresses"
    """Correct, and slower."""
    WRONG = "wrong"
    """Not correct at the held-out size or at a further problem; or it does not bind, crashes, or does not end there."""
    UNSOUND = "unsound"
    """Correct by luck: it does what Metal leaves undefined, writes next to its buffers, or differs from run to run."""
    SUSPECT = "suspect"
    """Its figures or its behaviour cannot be those of an honest kernel; a person has to look."""
    UNDECIDED = "undecided"
    """Too much noise to tell, or nothing was judged."""


@dataclass(frozen=True)
class Transfer:
    """Prediction for the winner on the GPU `gpu`, against the seed kernel, at the held-out size.

    speedup: predicted seconds of the seed kernel over those of the winner; None if nothing can be predicted.
    order: faster, slower or undecided.
    why: bound of the winner there, or the reason for no prediction.
    """

    gpu: str
    speedup: float | None
    order: PredictedOrder
    why: str = ""

    def __str__(self) -> str:
        if self.speedup is None:
            return f"nothing can be predicted on {self.gpu}: {self.why}"
        return f"predicted {self.speedup:.2f}× on {self.gpu} ({self.why})"


@dataclass(frozen=True)
class GateResult:
    """Verdict of the gate with its evidence.

    evidence: one sentence: the figures or the failure that the verdict rests on.
    reason: a possible cause; empty if nothing is known.
    heldout_speedup: the held-out self-speedup, the median over the rounds of the ratio of seed time to incumbent time,
        with its quartiles; None if the incumbent did not run to a right answer.
    phi: Φ of the benchmark, the incumbent's fraction of the ceiling at the held-out size.
    findings: a sanitizer's.
    digests: of everything that was judged: task, seed kernel, incumbent, device, settings.
    transfer: prediction for a GPU that is not there; None if the device counts nothing, or was not asked to.
    judgement: 1 for the first of a run, 2 for one that was asked for again.
    """

    verdict: Verdict
    size: str
    seed: Contender
    incumbent: Contender
    heldout_speedup: float | None = None
    quartiles: tuple[float, float] | None = None
    phi: float | None = None
    findings: tuple[Finding, ...] = ()
    evidence: str = ""
    reason: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    transfer: Transfer | None = None
    judgement: int = 1
    schema: int = 2
