"""Transfer of a winner to the GPU that it is for, predicted next to what was measured on another processor."""

from dataclasses import replace

from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.devices.protocol import Module
from metalsci.devices.virtual.forecast import Forecast, compare_forecasts
from metalsci.devices.virtual.prediction import CLOSEST, PredictedOrder
from metalsci.evaluation.forecasting import Forecaster
from metalsci.evaluation.staged_size import Bench
from metalsci.gate.verdicts import GateResult, Transfer, Verdict

_DISAGREE = {Verdict.GENERALIZES: PredictedOrder.SLOWER, Verdict.REGRESSES: PredictedOrder.FASTER}
_DECIDED = (Verdict.GENERALIZES, Verdict.TIED, Verdict.REGRESSES)


def foresee(bench: Bench, forecaster: Forecaster, seed: Module, winner: Module) -> Transfer | None:
    """Predict at the bench's size; None if the device counts nothing."""
    gpu = forecaster.gpu.name
    try:
        seeds, winners = (
            forecaster.forecast({bench.size.label: bench.bind(module).timed}) for module in (seed, winner)
        )
    except CANDIDATE_FAULTS as failure:
        return Transfer(gpu, None, PredictedOrder.UNDECIDED, str(failure))
    if seeds is None or winners is None:
        return None
    compared = compare_forecasts(winners, seeds)
    if compared is None:
        return Transfer(gpu, None, PredictedOrder.UNDECIDED, _unknown(seeds, winners))
    return Transfer(gpu, compared.speedup, compared.order, winners.why)


def with_transfer(told: GateResult, transfer: Transfer) -> GateResult:
    """Add what is predicted to the result of a measured duel. A winner that is predicted slower would not transfer."""
    if _DISAGREE.get(told.verdict) is not transfer.order:
        return replace(told, transfer=transfer)
    verdict = transferred(told.verdict, transfer)
    evidence = f"{told.verdict} here; {transfer}; {told.evidence}"
    return replace(told, verdict=verdict, evidence=evidence, transfer=transfer)


def transferred(verdict: Verdict, transfer: Transfer) -> Verdict:
    """Give the verdict on a kernel that was measured, after what is predicted."""
    if verdict is Verdict.GENERALIZES and transfer.order is PredictedOrder.SLOWER:
        return Verdict.WOULD_NOT_TRANSFER
    return verdict


def abstained(verdict: Verdict, transfer: Transfer) -> Verdict:
    """Give the verdict on a kernel that was predicted only: undecided if predictions decide nothing."""
    if verdict in _DECIDED and transfer.order is PredictedOrder.UNDECIDED:
        return Verdict.UNDECIDED
    return verdict


def as_predicted(told: GateResult, transfer: Transfer) -> GateResult:
    """Judge a predicted duel: abstain if predictions decide nothing."""
    told = replace(told, transfer=transfer, evidence=f"predicted {told.evidence} on {transfer.gpu}")
    verdict = abstained(told.verdict, transfer)
    if verdict is told.verdict:
        return told
    doubt = f"below {CLOSEST}×, or where two models disagree, predictions decide nothing"
    return replace(told, verdict=verdict, evidence=f"{told.evidence}; {doubt}")


def _unknown(*forecasts: Forecast) -> str:
    return next((each.unknown for each in forecasts if each.unknown), "nothing was counted")
