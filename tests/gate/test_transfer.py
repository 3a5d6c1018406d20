"""The gate says what is predicted of a winner on the GPU that it is for."""

from typing import Any

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.virtual.prediction import PredictedOrder
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.transfer import as_predicted, with_transfer
from metalsci.gate.verdicts import GateResult, Transfer, Verdict

SETUP = ("task=heat2d", "task.heldout={NX: 200, NY: 120, steps: 4}", "device.time_limit=5")
STORE = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"
# one thread of each group does the work of all: a loop that a CPU's vectoriser likes, and 255 of 256 lanes idle
LONE = """#include <metal_stdlib>
using namespace metal;
kernel void heat_step(device const float *u_in [[buffer(0)]], device float *u_out [[buffer(1)]],
                      constant uint &NX [[buffer(2)]], constant uint &NY [[buffer(3)]],
                      constant float &alpha [[buffer(4)]], uint2 gid [[thread_position_in_grid]],
                      uint2 tid [[thread_position_in_threadgroup]], uint2 size [[threads_per_threadgroup]]) {
    if (tid.x != 0 || tid.y != 0) return;
    for (uint j = gid.y; j < min(gid.y + size.y, NY); ++j)
        for (uint i = gid.x; i < min(gid.x + size.x, NX); ++i) {
            uint c = j * NX + i;
            float u = u_in[c];
            if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) u_out[c] = u;
            else u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);
        }
}
"""


def _judge(
    composed: Compose, *overrides: str, seed_kernel: str | None = None, incumbent: str = LONE, **settings: Any
) -> GateResult:
    cfg = composed(*SETUP, "device.ceilings.bandwidth=10", "device.ceilings.fp32=100", *overrides)
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    try:
        return HeldOutGate(repeats=3, **settings).judge(
            task=problem.task, size=problem.heldout, device=device, inputs_seed=0,
            seed_kernel=seed_kernel or problem.task.seed_kernel, incumbent=incumbent, watch=Stopwatch(),
        )  # fmt: skip
    finally:
        device.close()


def test_a_cpu_s_kernel_is_predicted_slower(composed: Compose) -> None:
    transfer = _judge(composed).transfer
    assert transfer is not None and transfer.speedup is not None
    assert transfer.order is PredictedOrder.SLOWER
    assert transfer.speedup < 0.5
    assert "of lanes at work" in transfer.why and transfer.gpu == "M1 Pro"


def test_another_chip_or_none_can_be_asked_for(composed: Compose) -> None:
    transfer = _judge(composed, chip="M2 Max").transfer
    assert transfer is not None and transfer.gpu == "M2 Max"
    assert _judge(composed, transfer=False).transfer is None


def test_the_virtual_gpu_s_verdict_is_predicted(composed: Compose) -> None:
    result = _judge(composed, "device=virtual")
    assert result.verdict is Verdict.REGRESSES
    assert result.evidence.startswith("predicted 0.") and result.evidence.endswith("on M1 Pro")
    slower = LONE.replace("tid.x != 0 || ", "").replace(
        "uint i = gid.x; i < min(gid.x + size.x, NX)", "uint i = gid.x; i == gid.x"
    )
    assert _judge(composed, "device=virtual", seed_kernel=LONE, incumbent=slower).verdict is Verdict.GENERALIZES


def _measured(verdict: Verdict, speedup: float) -> GateResult:
    nobody: Any = None
    return GateResult(verdict, "768", nobody, nobody, speedup, evidence=f"{speedup:.2f}x the seed kernel at 768")


SLOWER = Transfer("M1 Pro", 0.08, PredictedOrder.SLOWER, "3 % of lanes at work")


def test_faster_here_and_predicted_slower_there_would_not_transfer() -> None:
    told = with_transfer(_measured(Verdict.GENERALIZES, 13.6), SLOWER)
    assert told.verdict is Verdict.WOULD_NOT_TRANSFER
    assert told.evidence.startswith("generalizes here; predicted 0.08× on M1 Pro (3 % of lanes at work); 13.60x")


@pytest.mark.parametrize(
    ("verdict", "transfer", "says"),
    [
        (Verdict.GENERALIZES, Transfer("M1 Pro", 1.1, PredictedOrder.UNDECIDED), False),
        (Verdict.GENERALIZES, Transfer("M1 Pro", None, PredictedOrder.UNDECIDED, "too large"), False),
        (Verdict.REGRESSES, Transfer("M1 Pro", 2.0, PredictedOrder.FASTER), True),
        (Verdict.WRONG, SLOWER, False),
    ],
)
def test_any_other_verdict_stays(verdict: Verdict, transfer: Transfer, says: bool) -> None:
    told = with_transfer(_measured(verdict, 1.5), transfer)
    assert told.verdict is verdict and told.transfer is transfer
    assert (" here; predicted" in told.evidence) is says


@pytest.mark.parametrize(
    ("speedup", "order", "verdict"),
    [(1.15, PredictedOrder.UNDECIDED, Verdict.UNDECIDED), (1.5, PredictedOrder.FASTER, Verdict.GENERALIZES)],
)
def test_a_predicted_duel_within_1_2_times_is_undecided(
    speedup: float, order: PredictedOrder, verdict: Verdict
) -> None:
    told = as_predicted(_measured(Verdict.GENERALIZES, speedup), Transfer("M1 Pro", speedup, order))
    assert told.verdict is verdict
