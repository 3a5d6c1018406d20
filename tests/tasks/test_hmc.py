"""hmc's check: single steps again from the candidate's own states, then the statistics of the last one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import scalar
from composing import Compose
from hydra.utils import instantiate

from metalsci.task.definition import Size

Hmc = Any  # the class of tasks/hmc/task.py, which is loaded by the name of its file
SIZE = Size("small", {"d": 6, "K": 40, "steps": 6})
LENIENT = (
    "task=hmc",
    "task.physics.mean=100",
    "task.physics.cov=100",
    "task.physics.rate_low=0",
    "task.physics.rate_high=1",
)


@pytest.fixture
def run(composed: Compose) -> tuple[Hmc, list[scalar.Array], list[scalar.Array]]:
    """Return a task that judges steps alone, and a run of it by scalar loops."""
    task = instantiate(composed(*LENIENT).task).task
    inputs = task.inputs(SIZE, np.random.default_rng(5))
    states = scalar.hmc(SIZE, task.physics, **inputs)
    got = [s.astype(np.float32) if s.dtype == float else s for s in states]
    return task, got, task.reference(SIZE, inputs)


def test_steps_of_scalar_loops_are_right(run: tuple[Hmc, list[scalar.Array], list[scalar.Array]]) -> None:
    task, got, want = run
    check = task.check(SIZE, got, want)
    assert check.correct, check.detail


@pytest.mark.parametrize("state", [0, 4, 8])
def test_one_wrong_coordinate_of_one_chain_is_found(
    run: tuple[Hmc, list[scalar.Array], list[scalar.Array]], state: int
) -> None:
    task, got, want = run
    got[state][17, 3] += 0.05
    check = task.check(SIZE, got, want)
    assert not check.correct
    assert "chain 17" in check.detail


@pytest.mark.parametrize("state", [1, 5, 9])
def test_one_wrong_count_is_found(run: tuple[Hmc, list[scalar.Array], list[scalar.Array]], state: int) -> None:
    task, got, want = run
    got[state] = got[state].copy()
    got[state][11] += 1
    check = task.check(SIZE, got, want)
    assert not check.correct
    assert "chain 11" in check.detail


def test_a_step_too_few_is_found(run: tuple[Hmc, list[scalar.Array], list[scalar.Array]]) -> None:
    task, got, want = run
    assert not task.check(SIZE, [*got[:-2], *got[-4:-2]], want).correct


def test_the_benchmark_s_statistics_are_asked_of_the_last_state(
    composed: Compose, run: tuple[Hmc, list[scalar.Array], list[scalar.Array]]
) -> None:
    _, got, want = run
    task = instantiate(composed("task=hmc").task).task
    check = task.check(SIZE, got, want)
    assert not check.correct
    assert "acceptance rate" in check.detail


def trajectory(
    task: Hmc, size: Size, inputs: Mapping[str, scalar.Array], precision: type[np.floating[Any]] = np.float32
) -> list[scalar.Array]:
    """Return the results of a candidate that keeps matrix and state in `precision`, by the check's own step."""
    q, accept = inputs["q"].astype(float), inputs["accept"]
    matrix = inputs["A"].astype(precision).astype(float)
    states = [(q, accept)]
    for step in range(size.steps):
        moved, margin = task.proposal(size, step, q, matrix)
        q = np.where((margin > 0)[:, None], moved, q).astype(precision).astype(float)
        accept = accept + (margin > 0).astype(np.uint32)
        states.append((q, accept))
    middle = size.steps // 2
    chosen = [states[1], *states[middle : middle + 2], *states[-2:]]
    return [array.astype(np.float32) if array.dtype == float else array for state in chosen for array in state]


SPOILS: dict[str, Callable[[Any], Any]] = {
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "mean": lambda q: np.full_like(q, q.mean()),
    "sign": np.negative,
    "shifted by one": lambda q: np.roll(q, 1, axis=0),
    "one wrong element": lambda q: np.where(np.arange(q.size).reshape(q.shape) == q.size // 2, q + 0.05, q),
    "one NaN": lambda q: np.where(np.arange(q.size).reshape(q.shape) == q.size // 2, np.float32(np.nan), q),
}


def assert_discriminates(task: Hmc, size: Size) -> None:
    inputs = task.inputs(size, np.random.default_rng(5))
    want = task.reference(size, inputs)
    got = trajectory(task, size, inputs)
    check = task.check(size, got, want)
    assert check.correct, check.detail
    for name, spoil in SPOILS.items():
        assert not task.check(size, [*got[:-2], spoil(got[-2]), got[-1]], want).correct, name
    everywhere = [inputs["q"], inputs["accept"]] * (len(got) // 2)
    assert not task.check(size, everywhere, want).correct, "input unchanged"
    half = trajectory(task, size, inputs, np.float16)
    assert not task.check(size, half, want).correct, "half precision"
    fewer = trajectory(task, size.replace(steps=size.steps - 1), inputs)
    assert not task.check(size, fewer, want).correct, "one step fewer"


def test_what_is_not_the_answer_is_rejected(composed: Compose) -> None:
    assert_discriminates(instantiate(composed("task=hmc").task).task, Size("small", {"d": 8, "K": 1024, "steps": 20}))


@pytest.mark.full
def test_what_is_not_the_answer_is_rejected_at_every_size(composed: Compose) -> None:
    problem = instantiate(composed("task=hmc").task)
    for size in (*problem.sizes, problem.heldout):
        assert_discriminates(problem.task, size)


def test_chains_in_parts_have_the_same_bits(composed: Compose) -> None:
    """Products of matrices are computed in parts so small that BLAS wakes no threads for them."""
    task = instantiate(composed("task=hmc").task).task
    size = Size("many", {"d": 8, "K": 9001, "steps": 1})
    inputs = task.inputs(size, np.random.default_rng(1))
    given = [inputs[name].astype(np.float64) for name in ("q", "A")]
    for part, whole in zip(task.proposal(size, 3, *given), task._proposal(size, 3, 0, *given), strict=True):
        np.testing.assert_array_equal(part, whole)
