"""The held-out gate: does the winner generalise to a size that nobody searched on?

It runs once, after the search, on the seed kernel and the incumbent side by side.
"""

from dataclasses import dataclass
from enum import StrEnum

from metalsci.devices.cpu.cpu_sanitizer import Sanitizer
from metalsci.devices.protocol import Device
from metalsci.evaluation.evaluator import Repeats
from metalsci.evaluation.paired import Contender, duel
from metalsci.evaluation.sanitizer_policy import look
from metalsci.evaluation.staged_size import Bench
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.msl.diagnostics import Finding
from metalsci.task.definition import Size, Task
from metalsci.task.input_seeds import held_out


class Verdict(StrEnum):
    GENERALIZES = "generalizes"
    TIED = "tied"
    REGRESSES = "regresses"
    WRONG = "wrong"


@dataclass(frozen=True)
class GateResult:
    """`heldout_speedup` is the held-out self-speedup, the median over the rounds of the ratio of seed time to incumbent
    time, with its quartiles; None when the incumbent did not run to a right answer. `phi` is Φ of the benchmark: the
    incumbent's fraction of the ceiling at the held-out size. `findings`: a sanitizer's, of an incumbent that is
    wrong."""

    verdict: Verdict
    size: str
    seed: Contender
    incumbent: Contender
    heldout_speedup: float | None = None
    quartiles: tuple[float, float] | None = None
    phi: float | None = None
    findings: tuple[Finding, ...] = ()
    schema: int = 1


class GateError(Exception):
    """The seed kernel itself failed at the held-out size, so nothing can be said of the incumbent."""


class HeldOutGate:
    """Verdicts by the held-out self-speedup: at least `generalizes`, below `regresses`, or tied in between.

    The seed kernel against itself, if a search found nothing, is tied whatever the clock says.

    - generalizes: held-out self-speedup from which a winner generalises.
    - regresses: below this it regresses; in between it is tied.
    - warmup: runs before the clock.
    - repeats: rounds of one run each, seed kernel and incumbent in turn.
    - seconds: past these there are three rounds and no more.
    """

    def __init__(
        self,
        *,
        generalizes: float = 1.05,
        regresses: float = 0.95,
        warmup: int = 3,
        repeats: int = 20,
        seconds: float = 120.0,
    ) -> None:
        if not 0 < regresses <= generalizes:
            raise ValueError(f"the gate needs 0 < regresses <= generalizes, got {regresses} and {generalizes}")
        self.generalizes = generalizes
        self.regresses = regresses
        self._repeats = Repeats(warmup, repeats, seconds)

    def judge(
        self,
        *,
        task: Task,
        size: Size,
        device: Device,
        inputs_seed: int,
        seed_kernel: str,
        incumbent: str,
        watch: Stopwatch,
        sanitizer: Sanitizer | None = None,
    ) -> GateResult:
        """Raises GateError where the seed kernel fails; the incumbent's failures are verdicts."""
        bench = Bench(task, size, device, held_out(inputs_seed), watch)
        modules = []
        try:
            for source in (seed_kernel, incumbent):
                with watch.phase("compile"):
                    modules.append(device.compile(source, task.signatures))
            result = duel(bench, modules[0], modules[1], self._repeats)
            findings = self._findings(bench, incumbent, sanitizer) if result.speedup is None else ()
        finally:
            for module in modules:
                module.close()
            bench.close()
        if not result.seed.outcome.correct:
            raise GateError(f"the seed kernel failed at {size.label}: {result.seed.outcome}; {result.seed.detail}")
        if result.speedup is None:
            return GateResult(Verdict.WRONG, size.label, result.seed, result.challenger, findings=findings)
        roofline = result.challenger.roofline
        return GateResult(
            Verdict.TIED if incumbent == seed_kernel else self.verdict(result.speedup, result.quartiles),
            size.label,
            result.seed,
            result.challenger,
            result.speedup,
            result.quartiles,
            roofline.fraction if roofline else None,
        )

    def _findings(self, bench: Bench, incumbent: str, sanitizer: Sanitizer | None) -> tuple[Finding, ...]:
        return look(sanitizer, bench, incumbent).all if sanitizer else ()

    def verdict(self, speedup: float, quartiles: tuple[float, float] | None) -> Verdict:
        """By the median over the rounds; where the quartiles lie on both sides of 1 noise decides: tied."""
        low, high = quartiles or (speedup, speedup)
        if speedup >= self.generalizes and low > 1:
            return Verdict.GENERALIZES
        return Verdict.REGRESSES if speedup < self.regresses and high < 1 else Verdict.TIED
