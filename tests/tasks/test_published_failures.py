"""The two incumbents of the published sweeps that a held-out size finds out, right and fast where they were scored."""

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.files.locations import data
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.verdicts import GateResult, Verdict

CEILINGS = ("device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100", "device.time_limit=200")


def in_distribution_and_gate(composed: Compose, source: str, *overrides: str, repeats: int) -> GateResult:
    """Return True if the kernel is right at every scored size, and the gate's verdict on it."""
    cfg = composed(*CEILINGS, *overrides)
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    watch = Stopwatch()
    try:
        with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 1), watch) as evaluator:
            scored = evaluator.evaluate(source)
        assert scored.outcome.correct, scored.message
        return HeldOutGate(warmup=1, repeats=repeats).judge(
            task=problem.task, size=problem.heldout, device=device, inputs_seed=0,
            seed_kernel=problem.task.seed_kernel, incumbent=source, watch=watch,
        )  # fmt: skip
    finally:
        device.close()


def failure(task: str, name: str) -> str:
    return (data("tasks") / task / "failures" / name).read_text()


HMC_SIZES = (
    "task.sizes=[{d: 8, K: 1024, steps: 60},{d: 16, K: 1024, steps: 60},{d: 32, K: 1024, steps: 60}]",
    "task.heldout={d: 24, K: 2048, steps: 50}",
)


def test_an_hmc_kernel_that_rounds_dimensions_up_is_wrong_at_another(composed: Compose) -> None:
    source = failure("hmc", "rounded_up.metal")
    result = in_distribution_and_gate(composed, source, "task=hmc", *HMC_SIZES, repeats=1)
    assert result.verdict is Verdict.WRONG
    assert result.seed.outcome.correct


def test_an_fft_by_definition_at_sizes_that_nobody_scored_regresses(composed: Compose) -> None:
    source = failure("fft3d", "definition.metal")
    assert source.count("N == 64 || ") == 1
    source = source.replace("N == 64 || ", "")  # so that a small size will do for the held-out one
    sizes = ("task.sizes=[{N: 32}]", "task.heldout={N: 64}")
    result = in_distribution_and_gate(composed, source, "task=fft3d", *sizes, repeats=5)
    assert result.verdict is Verdict.REGRESSES


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("task", "name", "verdict"),
    [("hmc", "rounded_up.metal", Verdict.WRONG), ("fft3d", "definition.metal", Verdict.REGRESSES)],
)
def test_they_are_caught_at_the_benchmark_s_own_sizes(
    composed: Compose, task: str, name: str, verdict: Verdict
) -> None:
    result = in_distribution_and_gate(composed, failure(task, name), f"task={task}", repeats=1)
    assert result.verdict is verdict
