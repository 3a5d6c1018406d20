"""hmc's check: single steps again from the candidate's own states, then the statistics of the last one."""

import numpy as np
import pytest
import scalar
from hydra.utils import instantiate

from metalsci.benchmark.task import Size

SIZE = Size("small", {"d": 6, "K": 40, "steps": 6})
LENIENT = (
    "task=hmc",
    "task.physics.mean=100",
    "task.physics.cov=100",
    "task.physics.rate_low=0",
    "task.physics.rate_high=1",
)


@pytest.fixture
def run(composed):
    """A task that judges steps alone, and a run of it by scalar loops."""
    task = instantiate(composed(*LENIENT).task).task
    inputs = task.inputs(SIZE, np.random.default_rng(5))
    states = scalar.hmc(SIZE, task.physics, **inputs)
    got = [s.astype(np.float32) if s.dtype == float else s for s in states]
    return task, got, task.reference(SIZE, inputs)


def test_steps_of_scalar_loops_are_right(run):
    task, got, want = run
    check = task.check(SIZE, got, want)
    assert check.correct, check.detail


@pytest.mark.parametrize("state", [0, 4, 8])
def test_one_wrong_coordinate_of_one_chain_is_found(run, state):
    task, got, want = run
    got[state][17, 3] += 0.05
    check = task.check(SIZE, got, want)
    assert not check.correct
    assert "chain 17" in check.detail


@pytest.mark.parametrize("state", [1, 5, 9])
def test_one_wrong_count_is_found(run, state):
    task, got, want = run
    got[state] = got[state].copy()
    got[state][11] += 1
    check = task.check(SIZE, got, want)
    assert not check.correct
    assert "chain 11" in check.detail


def test_a_step_too_few_is_found(run):
    task, got, want = run
    assert not task.check(SIZE, [*got[:-2], *got[-4:-2]], want).correct


def test_the_benchmark_s_statistics_are_asked_of_the_last_state(composed, run):
    _, got, want = run
    task = instantiate(composed("task=hmc").task).task
    check = task.check(SIZE, got, want)
    assert not check.correct
    assert "acceptance rate" in check.detail
