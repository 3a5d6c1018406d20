"""The held-out gate: a check that the winner generalises to a size that nobody searched on.

It runs once, after the search, on the seed kernel and the incumbent side by side: at the held-out size, on probes of
it, and on several small problems of sizes that nobody scored.
"""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace

import msgspec

from metalsci.devices.cpu.cpu_sanitizer import Findings, Sanitizer
from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.devices.protocol import Device, Encoded, Module, Predicting
from metalsci.evaluation.evaluator import Repeats
from metalsci.evaluation.forecasting import forecaster
from metalsci.evaluation.paired import Contender, Duel, duel
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.sanitizer_policy import complaint, inspect, look
from metalsci.evaluation.staged_size import Bench
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.reasons import reason
from metalsci.gate.transfer import as_predicted, foresee, with_transfer
from metalsci.gate.verdicts import GateResult, Transfer, Verdict
from metalsci.msl.language.spelling import spelling
from metalsci.task.definition import Size, Task
from metalsci.task.input_seeds import held_out
from metalsci.task.references import of_the_gate

_DRAWS = 3  # sets of small problems that the incumbent must solve in addition to those of any evaluation
_QUIET = (0.8, 1.25)  # quartiles within which a tie is one, and not a matter of noise


class GateError(Exception):
    """Failure of the seed kernel itself at the held-out size, so that nothing can be said of the incumbent."""


class HeldOutGate:
    """Verdicts by the held-out self-speedup: at least `generalizes`, below `regresses`, or tied in between.

    If a search found nothing, the seed kernel against itself is tied, whatever the clock says.

    - generalizes: held-out self-speedup from which a winner generalises.
    - regresses: below this it regresses; in between it is tied.
    - warmup: runs before the clock.
    - repeats: rounds of one run each, seed kernel and incumbent in turn.
    - seconds: past these there are three rounds and no more.
    - transfer: predict, where kernels run on cpu_metal, what a GPU would make of the winner. One that is faster here
      and predicted slower there `would not transfer`.
    - chip: the GPU that is predicted.
    - again: judge a second kernel of a run that goes on; the result is marked so.
    """

    def __init__(
        self,
        *,
        generalizes: float = 1.05,
        regresses: float = 0.95,
        warmup: int = 3,
        repeats: int = 20,
        seconds: float = 120.0,
        transfer: bool = True,
        chip: str = "M1 Pro",
        again: bool = False,
    ) -> None:
        if not 0 < regresses <= generalizes:
            raise ValueError(f"the gate needs 0 < regresses <= generalizes, got {regresses} and {generalizes}")
        self.generalizes = generalizes
        self.regresses = regresses
        self.again = again
        self.transfer = transfer
        self.chip = chip
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
        sizes: Sequence[Size] = (),
    ) -> GateResult:
        """Judge the incumbent. Raises GateError if the seed kernel fails; the incumbent's failures are verdicts.

        sizes: those that were searched on, for the reason.
        """
        with ExitStack() as cleanup:
            bench = Bench(task, size, device, held_out(inputs_seed), watch, of_the_gate())
            cleanup.callback(bench.close)
            seed = _compiled(device, task, seed_kernel, watch, cleanup)
            challenger = _compiled(device, task, incumbent, watch, cleanup)
            if isinstance(seed, Contender):
                raise GateError(f"the seed kernel failed at {size.label}: {seed.outcome}; {seed.detail}")
            if isinstance(challenger, Contender):
                result = Duel(size.label, Contender(Outcome.SCORED), challenger)
            else:
                result = duel(bench, seed, challenger, self._repeats.on(device))
                if result.speedup is not None and (failed := further(bench, challenger)):
                    result = replace(result, challenger=failed, speedup=None, quartiles=None)
            is_seed = spelling(incumbent) == spelling(seed_kernel)
            twin = "it is the seed kernel" if is_seed else _same_code(seed, challenger)
            transfer = None
            if result.speedup is not None and not isinstance(challenger, Contender) and not twin:
                transfer = self.foreseen(bench, device, seed, challenger)
            found = _looked_at(bench, incumbent, sanitizer, correct=result.speedup is not None)
        if not result.seed.outcome.correct:
            raise GateError(f"the seed kernel failed at {size.label}: {result.seed.outcome}; {result.seed.detail}")
        judged = self._told(result, found, twin)
        if transfer is not None:
            judge = as_predicted if isinstance(device, Predicting) else with_transfer
            judged = judge(judged, transfer)
        digests = self.digests(task, size, device, seed_kernel, incumbent)
        if judged.verdict in (Verdict.GENERALIZES, Verdict.TIED, Verdict.WOULD_NOT_TRANSFER):
            return replace(judged, digests=digests)
        return replace(judged, digests=digests, reason=reason(incumbent, sizes, size))

    def foreseen(self, bench: Bench, device: Device, seed: Module, winner: Module) -> Transfer | None:
        """Predict both kernels on a GPU; None if the gate was not asked to, or the device cannot count."""
        if not self.transfer and not isinstance(device, Predicting):
            return None
        return foresee(bench, forecaster(device, self.chip), seed, winner)

    def digests(self, task: Task, size: Size, device: Device, seed_kernel: str, incumbent: str) -> dict[str, str]:
        """Compute digests of everything that a verdict is about."""
        settings: list[object] = [
            self.transfer,
            self.chip,
            self.generalizes,
            self.regresses,
            self._repeats.warmup,
            self._repeats.timed,
            self._repeats.seconds,
        ]
        told = {
            "task": [
                task.name,
                task.brief,
                dict(task.physics),
                dict(size.extents),
                asdict(task.tolerance),
            ],
            "seed kernel": seed_kernel,
            "incumbent": incumbent,
            "device": device.name,
            "settings": settings,
        }
        return {name: hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16] for name, value in told.items()}

    def another_kernel(self, earlier: GateResult) -> GateResult:
        """Return the result for a kernel that was not judged, because an earlier one of the same run was."""
        evidence = (
            "the gate has judged another kernel of this run, and judges once; gate.again=true judges this one, and "
            "marks the result as a second judgement"
        )
        unjudged = Contender(Outcome.SCORED)
        return GateResult(Verdict.UNDECIDED, earlier.size, unjudged, unjudged, evidence=evidence)

    def verdict(self, speedup: float, quartiles: tuple[float, float] | None) -> Verdict:
        """Decide by the median over the rounds; undecided if the quartiles leave it to noise."""
        low, high = quartiles or (speedup, speedup)
        if speedup >= self.generalizes:
            if low > 1:
                return Verdict.GENERALIZES
            return Verdict.UNDECIDED
        if speedup < self.regresses:
            if high < 1:
                return Verdict.REGRESSES
            return Verdict.UNDECIDED
        if _QUIET[0] < low and high < _QUIET[1]:
            return Verdict.TIED
        return Verdict.UNDECIDED

    def _told(self, result: Duel, found: Findings, twin: str) -> GateResult:
        """Add evidence to the verdict. twin: why the incumbent cannot differ from the seed kernel; empty if it can."""
        told = GateResult(Verdict.WRONG, result.label, result.seed, result.challenger, findings=found.all)
        if result.speedup is None:
            side = result.challenger
            verdict = Verdict.UNSOUND if side.unsound else Verdict.WRONG
            if side.outcome is Outcome.SUSPECT:
                verdict = Verdict.SUSPECT
            return replace(told, verdict=verdict, evidence=f"{result.label}: {side.outcome}; {side.detail}")
        roofline = result.challenger.roofline
        told = replace(
            told,
            heldout_speedup=result.speedup,
            quartiles=result.quartiles,
            phi=roofline.fraction if roofline else None,
        )
        if found.undefined or found.unfinished:
            verdict = Verdict.UNSOUND if found.undefined else Verdict.SUSPECT
            return replace(told, verdict=verdict, evidence=f"{result.label}: {complaint(found)}")
        if twin:
            return replace(told, verdict=Verdict.TIED, evidence=twin, heldout_speedup=1.0, quartiles=(1.0, 1.0))
        low, high = result.quartiles or (result.speedup, result.speedup)
        evidence = f"{result.speedup:.2f}x the seed kernel at {result.label}, quartiles {low:.2f} to {high:.2f}"
        return replace(told, verdict=self.verdict(result.speedup, result.quartiles), evidence=evidence)


def _compiled(device: Device, task: Task, source: str, watch: Stopwatch, cleanup: ExitStack) -> Module | Contender:
    """Compile a source. Return the module, or the reason why there is none."""
    try:
        with watch.phase("compile"):
            module = device.compile(source, task.signatures)
    except CANDIDATE_FAULTS as failure:
        return Contender(Outcome.of(failure), str(failure))
    cleanup.callback(module.close)
    return module


def _same_code(seed: Module, challenger: Module | Contender) -> str:
    if not isinstance(seed, Encoded) or not isinstance(challenger, Encoded) or seed.code != challenger.code:
        return ""
    return "it compiles to the same code as the seed kernel"


def further(bench: Bench, challenger: Module) -> Contender | None:
    """Return the failure at the first wrong problem of sizes that nobody scored."""
    try:
        for _ in range(_DRAWS):
            with bench.draw(challenger) as drawn:
                wrong = bench.verify_drawn(drawn)
            if wrong:
                return Contender.of(wrong)
    except CANDIDATE_FAULTS as failure:
        return Contender(Outcome.of(failure), str(failure))
    return None


def _looked_at(bench: Bench, incumbent: str, sanitizer: Sanitizer | None, *, correct: bool) -> Findings:
    if sanitizer is None:
        return Findings()
    if correct:
        return inspect(sanitizer, bench, incumbent)
    return look(sanitizer, bench, incumbent)
