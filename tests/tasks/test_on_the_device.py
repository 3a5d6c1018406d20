"""Kernels of the tasks on the software device: seed kernels and examples are right, races and refusals are not."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate
from races import RACES

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.files.locations import data

SIZES = {  # small and, where a task allows it, odd, so that groups at the edges are partial
    "adi3d": "{NX: 37, NY: 22, NZ: 19, steps: 3}",
    "compact": "{N: 5000, run: 3}",
    "fft3d": "{N: 16}",
    "gradshaf": "{NR: 33, NZ: 29, steps: 6}",
    "heat2d": "{NX: 45, NY: 37, steps: 5}",
    "hmc": "{d: 10, K: 700, steps: 60}",
    "ising": "{NX: 48, NY: 38, steps: 5}",
    "lbm": "{NX: 45, NY: 37, steps: 5}",
    "lj": "{N: 512, M: 3, L: 9.2, steps: 4}",
    "mgvcycle": "{n: 48, steps: 2}",
    "morton": "{N: 16, steps: 4}",
    "nbody": "{N: 203, steps: 4}",
    "qsim": "{n: 9, layers: 2}",
    "saxpy": "{N: 5001}",
    "spmv": "{rows: 3001, exponent: 2.2, steps: 3}",
    "wave3d": "{NX: 21, NY: 18, NZ: 15, steps: 4}",
}
# Where every access is checked and statistics are not asked for.
SMALLER = {"hmc": "{d: 10, K: 150, steps: 2}"}


Evaluate = Callable[..., Evaluation]  # of a task, a source and a size; by default the seed kernel at the small size


@pytest.fixture(scope="module")
def evaluate(composed: Compose) -> Iterator[Evaluate]:
    """Return a function that judges a source at a task's small size."""
    device = instantiate(composed("device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100").device)

    def run(task: str, source: str | None = None, size: str | None = None) -> Evaluation:
        problem = instantiate(composed(f"task={task}", f"task.sizes=[{size or SIZES[task]}]").task)
        with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 1), Stopwatch()) as evaluator:
            return evaluator.evaluate(source or problem.task.seed_kernel)

    yield run
    device.close()


def text(task: str, *names: str) -> str:
    return data("tasks").joinpath(task, *names).read_text()


def test_every_task_is_tried() -> None:
    assert sorted(SIZES) == sorted(RACES) == sorted(p.stem for p in (data("conf") / "task").glob("*.yaml"))


@pytest.mark.parametrize("task", sorted(SIZES))
def test_the_seed_kernel_is_right(evaluate: Evaluate, task: str) -> None:
    evaluation = evaluate(task)
    assert evaluation.outcome is Outcome.SCORED, evaluation.message


EXAMPLES = ["fast", "gpu"]


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("task", sorted(SIZES))
def test_the_example_is_right(evaluate: Evaluate, task: str, example: str) -> None:
    source = text(task, "examples", f"{example}.metal")
    assert source.startswith("// Idea: ")
    evaluation = evaluate(task, source)
    assert evaluation.outcome is Outcome.SCORED, evaluation.message


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("task", sorted(SIZES))
def test_the_sanitizer_finds_nothing_in_the_example(composed: Compose, task: str, example: str) -> None:
    problem = instantiate(composed(f"task={task}", f"task.sizes=[{SMALLER.get(task, SIZES[task])}]").task)
    (size,) = problem.sizes
    program = problem.task.trace(size, problem.task.inputs(size, np.random.default_rng(7)))
    sanitizer = CpuSanitizer(seconds=60.0)
    found = sanitizer.check(text(task, "examples", f"{example}.metal"), program)
    sanitizer.close()
    assert found.clean, found.all


BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"


@pytest.mark.parametrize(
    ("task", "size"),
    [("fft3d", "{N: 64}"), ("gradshaf", None), ("compact", None)],
    ids=["fft3d", "gradshaf", "compact"],
)
def test_a_barrier_that_is_missing_between_simdgroups_shows(evaluate: Evaluate, task: str, size: str | None) -> None:
    """Not guaranteed by the check, but by this device, which runs no two simdgroups in step.

    A line of fft3d takes two of them from 64 on; one of 16 is a single vector where vectors are that long.
    """
    seed = text(task, "seed.metal")
    assert BARRIER in seed
    outcome = evaluate(task, seed.replace(BARRIER, ""), size).outcome
    # A place that compact computes of numbers that are not there yet may be anywhere.
    assert outcome in ((Outcome.WRONG, Outcome.CRASHED) if task == "compact" else (Outcome.WRONG,))


@pytest.mark.parametrize("task", sorted(RACES))
def test_a_race_is_wrong_each_time(evaluate: Evaluate, task: str) -> None:
    """By the check, in any order in which threads run: races.py says why."""
    source = RACES[task].made(text(task, "seed.metal"))
    for _ in range(3):
        evaluation = evaluate(task, source)
        assert evaluation.outcome is Outcome.WRONG, evaluation.message


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("task", sorted(RACES))
def test_a_race_is_wrong_at_every_size(composed: Compose, task: str) -> None:
    ceilings = ("device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    cfg = composed("device=cpu", *ceilings, "device.time_limit=600", f"task={task}")
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    sizes = (*problem.sizes, problem.heldout)
    with Evaluator(problem.task, sizes, device, 0, Repeats(1, 1), Stopwatch()) as evaluator:
        evaluation = evaluator.evaluate(RACES[task].made(problem.task.seed_kernel))
    device.close()
    assert [size.outcome for size in evaluation.sizes] == [Outcome.WRONG] * len(sizes), evaluation.message


@pytest.mark.parametrize(("task", "kernel", "least"), [("fft3d", "fft3d_y", 16), ("adi3d", "adi_z", 32)])
def test_a_threadgroup_that_must_not_shrink_is_refused_with_what_to_do(
    evaluate: Evaluate, task: str, kernel: str, least: int
) -> None:
    def capped(n: int) -> str:
        declared = f"[[max_total_threads_per_threadgroup({n})]] kernel void {kernel}("
        return text(task, "seed.metal").replace(f"kernel void {kernel}(", declared)

    assert evaluate(task, capped(least)).outcome is Outcome.SCORED
    refused = evaluate(task, capped(least // 2))
    assert refused.outcome is Outcome.PIPELINE_ERROR
    assert f"max_total_threads_per_threadgroup({least // 2})" in refused.message
    assert f"groups of {least}" in refused.message


def test_a_cell_that_overflows_is_named(composed: Compose) -> None:
    device = instantiate(composed("device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100").device)
    problem = instantiate(composed("task=lj", f"task.sizes=[{SIZES['lj']}]", "task.physics.max_per_cell=20").task)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 1), Stopwatch()) as evaluator:
        message = evaluator.evaluate(problem.task.seed_kernel).message
    device.close()
    assert "cell overflow: at step 0 cell" in message
    assert "MAX_PER_CELL is 20" in message


def test_a_step_too_few_is_named(evaluate: Evaluate) -> None:
    """A kernel that leaves its input as it is where it should step."""
    seed = text("heat2d", "seed.metal")
    frozen = seed.replace("u_out[c] = u + alpha", "u_out[c] = u + 0.0f * alpha")
    assert "The output is the input u, unchanged" in evaluate("heat2d", frozen).message
