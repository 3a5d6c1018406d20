"""Kernels that prove a measured bandwidth too low: seed kernels of metalsci's tasks, and winners right at the gate.

No other candidate is evidence. A kernel that cheats could otherwise raise the reference of all scores, and with it the
floor below which nobody is suspected. Nor is a task from outside, whose count of bytes nobody has checked.
"""

from collections.abc import Iterator, Sequence

from metalsci.devices.ceilings import Evidence
from metalsci.evaluation.paired import Contender, Duel
from metalsci.evaluation.results import Evaluation, SizeResult
from metalsci.files.locations import data
from metalsci.gate.verdicts import GateResult, Verdict
from metalsci.task.definition import Bound

_TRUSTED = (Verdict.GENERALIZES, Verdict.TIED, Verdict.REGRESSES)  # right everywhere, and sound


def evidence(task: str, seed: Evaluation, duels: Sequence[Duel], gate: GateResult) -> list[Evidence]:
    """Collect the rates of the seed kernel and of a winner that the gate found right, at every size of the search."""
    if not (data("tasks") / task / "task.py").is_file():
        return []
    found = [each for size in seed.sizes for each in _rate(f"{task}'s seed kernel, {size.label}", size)]
    for duel in duels:
        found += _rate(f"{task}'s seed kernel, {duel.label}", duel.seed)
        if gate.verdict in _TRUSTED:
            found += _rate(f"a winner of {task}, {duel.label}", duel.challenger)
    return found


def _rate(kernel: str, result: SizeResult | Contender) -> Iterator[Evidence]:
    """Yield the rate that three of four runs reach, if bandwidth bounds the task.

    Of a task whose perfect kernel moves fewer bytes than the benchmark counts, those bytes.
    """
    roof, timing = result.roofline, result.timing
    if roof is not None and timing is not None and result.outcome.correct and roof.unit == Bound.BANDWIDTH.unit:
        achieved = roof.achieved * timing.median / timing.quartiles[1]
        yield Evidence(kernel, roof.footprint, achieved / max(1.0, roof.reachable))
