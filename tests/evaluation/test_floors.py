"""Results that no kernel can have, and results that are only very good."""

from dataclasses import replace

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.ceilings import Ceilings, Level
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.floors import below_launch, beyond_the_machine, launch_floor
from metalsci.evaluation.results import Outcome, Roofline
from metalsci.evaluation.safeguards import ALL, Safeguard
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.task.definition import Bound, Work

MEASURED = Ceilings(40.0, 200.0, "measured", levels=(Level(1 << 18, 150.0), Level(1 << 28, 40.0)))
SHEET = Ceilings(100.0, 3600.0, "data sheet")


@pytest.mark.parametrize(
    ("ceilings", "bound", "reachable", "achieved", "suspect"),
    [
        (MEASURED, Bound.BANDWIDTH, 1.0, 260.0, False),  # out of the first cache
        (MEASURED, Bound.BANDWIDTH, 1.0, 400.0, True),
        (MEASURED, Bound.BANDWIDTH, 2.0, 400.0, False),  # the benchmark counts twice what is needed
        (MEASURED, Bound.FP32, 0.5, 210.0, False),
        (MEASURED, Bound.FP32, 0.5, 845.0, True),
        (SHEET, Bound.BANDWIDTH, 1.0, 500.0, False),
        (SHEET, Bound.FP32, 1.0, 9000.0, True),
        (replace(MEASURED, given=True), Bound.FP32, 1.0, 9e9, False),
        (replace(MEASURED, unsettled="noise"), Bound.BANDWIDTH, 1.0, 400.0, False),
        (replace(MEASURED, load=999.0), Bound.BANDWIDTH, 1.0, 400.0, False),  # measured next to other work
        (replace(MEASURED, load=999.0), Bound.BANDWIDTH, 1.0, 4000.0, True),
    ],
)
def test_more_than_the_machine_has(
    ceilings: Ceilings, bound: Bound, reachable: float, achieved: float, suspect: bool
) -> None:
    work = Work(1e9, bound, needed=1e9 / reachable)
    told = beyond_the_machine(Roofline(achieved, 1.0, bound.unit, reachable), work, ceilings)
    assert bool(told) == suspect
    if suspect:
        assert f"{achieved:.4g} {bound.unit}" in told and told.count(". ") == 0


def test_faster_than_an_empty_kernel_once_it_was_measured_again() -> None:
    noisy = iter([3e-6, 9e-6, 9e-6, 9e-6, 9e-6])
    floor = launch_floor(lambda: next(noisy))
    assert floor == 3e-6
    assert below_launch([2.9e-6], floor, lambda: 3e-6) == ""
    assert below_launch([0.3e-6], 6e-6, lambda: 3e-6) == ""  # workers waited for one another
    assert below_launch([0.1e-6], floor, lambda: 0.1e-6) == ""  # the floor was noise
    assert "a kernel that does nothing" in below_launch([0.1e-6], floor, lambda: 3e-6)


def test_the_outcome_is_suspect_and_scores_nothing(composed: Compose) -> None:
    overrides = ("task=saxpy", "task.sizes=[{N: 20000}]", "device=cpu", "device.ceilings.bandwidth=10")
    cfg = composed(*overrides, "device.ceilings.fp32=100")
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    device.ceilings = Ceilings(1e-3, 1e-3, "of another machine", levels=(Level(1 << 20, 1e-3),))
    for checks, outcome in ((ALL, Outcome.SUSPECT), (ALL - {Safeguard.FLOORS}, Outcome.SCORED)):
        with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch(), checks) as evaluator:
            evaluation = evaluator.evaluate(problem.task.seed_kernel)
        assert evaluation.outcome is outcome
        assert evaluation.sizes[0].timing is not None and (evaluation.sizes[0].launch or 0) > 0
        if outcome is Outcome.SUSPECT:
            assert evaluation.score == 0
            assert "more than this machine has" in evaluation.message
    device.close()
