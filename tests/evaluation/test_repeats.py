"""Repeated runs: no more of them than a time needs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.cpu_metal import CommandBuffer
from metalsci.devices.cpu.cpu_stage import CpuExecution, CpuStage
from metalsci.devices.protocol import Elapsed
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.stopwatch import Stopwatch

QUIET, NOISY = 0.002, 0.1  # standard deviation of a log time


def runs(spread: float, seconds: float = 0.08, seed: int = 0) -> list[float]:
    return list(seconds * np.exp(spread * np.random.default_rng(seed).standard_normal(10)))


def needed(repeats: Repeats, times: list[float]) -> int:
    return next((count for count in range(len(times)) if repeats.enough(times[:count])), len(times))


def test_a_slow_kernel_whose_time_is_known_does_not_run_again() -> None:
    assert needed(Repeats(), runs(QUIET)) == 3
    assert needed(Repeats(), runs(NOISY)) == 10
    assert needed(Repeats(narrow=0.0), runs(QUIET)) == 10


def test_a_quick_kernel_runs_as_often_as_it_may() -> None:
    assert needed(Repeats(), runs(QUIET, seconds=0.005)) == 10


@pytest.mark.parametrize("spread", [0.005, 0.01, 0.02, 0.03, 0.04, 0.08])
def test_a_time_that_is_called_known_is_known(spread: float) -> None:
    """Simulate: the log of the median that a kernel ends with, against the true one, which is zero."""
    off = 0
    for seed in range(2000):
        times = runs(spread, 1.0, seed)
        count = needed(Repeats(), times)
        off += count < len(times) and abs(np.log(np.median(times[:count]))) > Repeats().narrow
    assert off < 0.062 * 2000  # 5 %, and two of the standard deviations of that count


def test_a_slow_kernel_is_warm_after_the_verified_run() -> None:
    steady = Repeats(3, 4, steady=0.005)
    assert list(steady.rounds(verified=0.02)) == [True] * 4
    assert list(steady.rounds(verified=0.001)) == [False] * 2 + [True] * 4
    assert list(Repeats(3, 4).rounds(verified=0.02)) == [False] * 2 + [True] * 4  # of a device that says nothing


def test_a_device_says_from_when_on_a_kernel_is_steady(evaluator: Evaluator) -> None:
    assert evaluator.repeats.steady == 0.005
    assert replace(evaluator.repeats, steady=1.0).on(evaluator.device).steady == 1.0


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


def test_kernels_are_timed_one_by_one_once_before_the_runs_of_the_program(
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
    assert log[-7:] == ["one by one", *["run"] * 6]
    assert set(evaluation.sizes[0].kernels) == {"fft3d_x", "fft3d_y", "fft3d_z"}


def test_a_long_program_is_known_by_two_calls_of_a_kind(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = composed("task=lj", "task.sizes=[{N: 216, M: 3, L: 9.0, steps: 12}]")
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    try:
        program = problem.task.trace(problem.sizes[0], problem.task.inputs(problem.sizes[0], np.random.default_rng(0)))
        stage = device.stage(program)
        execution = stage.bind(device.compile(problem.task.seed_kernel, problem.task.signatures))
        submitted = []

        def logged(_: CpuStage, commands: CommandBuffer) -> Elapsed:
            submitted.append(commands)
            return Elapsed(float(len(submitted)), 0.0)

        monkeypatch.setattr(CpuStage, "submit", logged)
        assert len(program.calls) == 24
        assert execution.kernel_seconds() == {"lj_build_cells": 12 * 1.0, "lj_step": 12 * 2.0}  # the least of two
        assert len(submitted) == 4
    finally:
        device.close()
