"""Repeated runs: no more of them than a time needs, and nothing beside them that could be one of them."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_device import CpuExecution
from metalsci.devices.protocol import Elapsed
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.stopwatch import Stopwatch

QUIET, NOISY = 0.002, 0.1  # standard deviation of a log time


def runs(spread: float, seconds: float = 0.08, seed: int = 0) -> list[float]:
    return list(seconds * np.exp(spread * np.random.default_rng(seed).standard_normal(10)))


def needed(repeats: Repeats, times: list[float]) -> int:
    return next((count for count in range(len(times)) if repeats.enough(times[:count])), len(times))


def test_a_slow_kernel_whose_time_is_known_does_not_run_again() -> None:
    assert needed(Repeats(), runs(QUIET)) == 5
    assert needed(Repeats(), runs(NOISY)) == 10
    assert needed(Repeats(narrow=0.0), runs(QUIET)) == 10


def test_a_quick_kernel_runs_as_often_as_it_may() -> None:
    assert needed(Repeats(), runs(QUIET, seconds=0.005)) == 10


def test_a_time_that_is_called_known_is_known() -> None:
    """Simulate: the mean log time that a kernel ends with, against the true one, which is zero."""
    off = []
    for seed in range(2000):
        times = runs(0.01, 1.0, seed)
        off.append(np.mean(np.log(times[: needed(Repeats(), times)])))
    assert np.quantile(np.abs(off), 0.95) < 0.01


def test_the_share_that_is_narrow_enough_is_none_below_zero() -> None:
    with pytest.raises(ValueError, match="narrow"):
        Repeats(narrow=-0.1)


@pytest.fixture
def evaluator(composed: Compose) -> Iterator[Evaluator]:
    ceilings = ("device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    cfg = composed("task=fft3d", "task.sizes=[{N: 8}]", *ceilings)
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(3, 4), Stopwatch()) as evaluator:
        yield evaluator
    device.close()


def test_timing_kernels_one_by_one_is_one_of_the_runs_that_warm_up(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    run, split = CpuExecution.run, CpuExecution.kernel_seconds

    def logged_run(execution: CpuExecution) -> Elapsed:
        log.append("run")
        return run(execution)

    def logged_split(execution: CpuExecution) -> Mapping[str, float]:
        log.append("one by one")
        return split(execution)

    monkeypatch.setattr(CpuExecution, "run", logged_run)
    monkeypatch.setattr(CpuExecution, "kernel_seconds", logged_split)
    evaluation = evaluator.evaluate(evaluator.task.seed_kernel)
    assert evaluation.outcome.correct, evaluation
    assert log.count("one by one") == 1
    assert log[-6:] == ["one by one", "run", *["run"] * 4]
    assert set(evaluation.sizes[0].kernels) == {"fft3d_x", "fft3d_y", "fft3d_z"}
