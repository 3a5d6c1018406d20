"""The Apple device on Linux. All of its code runs; only the kernel call goes to the software device.

That is in software_worker.py. So kernels run when a graph is built, not when it is evaluated, and memory is the
software device's: only a Mac can show the effects of MLX's laziness and of its cache of buffers.

A test that needs a real GPU is marked `apple` and skipped elsewhere.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.apple.apple_device import AppleDevice
from metalsci.devices.apple.chips import UnknownChipError
from metalsci.devices.auto import choose, has_metal
from metalsci.devices.ceilings import GivenCeilings
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.errors import Crash, DeviceError
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.msl.language.math_mode import MathMode

WORKER = (sys.executable, str(Path(__file__).parents[1] / "helpers" / "software_worker.py"))
UNSET = GivenCeilings()
HEAT = ("task=heat2d", "task.sizes=[{NX: 24, NY: 12, steps: 4},{NX: 17, NY: 9, steps: 3}]")
STORE = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"


def apple(**settings: Any) -> AppleDevice:
    return AppleDevice(**{"ceilings": UNSET, "chip": "M1 Pro", "command": WORKER, **settings})


@pytest.fixture(scope="module")
def device() -> Iterator[AppleDevice]:
    device = apple()
    yield device
    device.close()


@pytest.fixture(scope="module")
def evaluator(composed: Compose, device: AppleDevice) -> Iterator[Evaluator]:
    problem = instantiate(composed(*HEAT).task)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 2), Stopwatch()) as evaluator:
        yield evaluator


@pytest.fixture(scope="module")
def seed(evaluator: Evaluator) -> str:
    return evaluator.task.seed_kernel


@pytest.mark.parametrize("task", ["saxpy", "heat2d", "lbm"])
def test_seed_kernels_are_right_as_kernels_of_mlx(composed: Compose, device: AppleDevice, task: str) -> None:
    sizes = "[{N: 3000}]" if task == "saxpy" else "[{NX: 20, NY: 12, steps: 3}]"
    problem = instantiate(composed(f"task={task}", f"task.sizes={sizes}").task)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 2), Stopwatch()) as evaluator:
        evaluation = evaluator.evaluate(problem.task.seed_kernel)
    assert evaluation.outcome is Outcome.SCORED, evaluation
    assert all(size.timing and size.timing.median > 0 for size in evaluation.sizes)


def test_the_roofline_is_the_chip_s(evaluator: Evaluator, seed: str) -> None:
    evaluation = evaluator.evaluate(seed)
    assert {size.roofline and size.roofline.ceiling for size in evaluation.sizes} == {200}


@pytest.mark.parametrize(
    ("old", "new", "outcome", "message"),
    [
        ("heat_step", "heat_stepp", Outcome.COMPILE_ERROR, "heat_step"),
        (STORE, STORE.replace("alpha *", "0.9f * alpha *"), Outcome.WRONG, "24×12"),
        (
            "kernel void",
            "[[max_total_threads_per_threadgroup(1)]] kernel void",
            Outcome.SCORED,
            "",
        ),
        (
            STORE,
            "    threadgroup float big[9000];\n    big[gid.x % 9000u] = u;\n"
            "    threadgroup_barrier(mem_flags::mem_threadgroup);\n" + STORE + " u_out[c] += 0 * big[0];",
            Outcome.PIPELINE_ERROR,
            "32768",
        ),
    ],
    ids=["kernel name", "physics", "cap", "threadgroup memory"],
)
def test_a_candidate_is_an_outcome(
    evaluator: Evaluator, seed: str, old: str, new: str, outcome: Outcome, message: str
) -> None:
    evaluation = evaluator.evaluate(seed.replace(old, new))
    assert evaluation.outcome is outcome, evaluation
    assert message in evaluation.message


def test_a_late_compile_error_points_into_the_candidate(evaluator: Evaluator, seed: str) -> None:
    """MLX compiles when it first runs, and its line numbers count from a preamble that is its own."""
    broken = seed.replace("4.0f * u)", "4.0f * velocity)")
    evaluation = evaluator.evaluate(broken)
    assert evaluation.outcome is Outcome.COMPILE_ERROR
    (diagnostic,) = evaluation.diagnostics
    assert "velocity" in diagnostic.message
    line = broken.splitlines()[diagnostic.line - 1]
    assert line[diagnostic.column - 1 :].startswith("velocity")


def test_an_error_in_a_helper_points_into_the_candidate_too(evaluator: Evaluator, seed: str) -> None:
    broken = seed.replace("kernel void", "inline float helper(float x) { return y; }\n\nkernel void")
    (diagnostic,) = evaluator.evaluate(broken).diagnostics
    line = broken.splitlines()[diagnostic.line - 1]
    assert line[diagnostic.column - 1 :].startswith("y;")


def test_an_endless_loop_costs_its_limit_and_the_worker_and_the_next_run_is_right(composed: Compose) -> None:
    problem = instantiate(composed(*HEAT).task)
    device = apple(time_limit=2.0)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 2), Stopwatch()) as evaluator:
        assert evaluator.evaluate(problem.task.seed_kernel).outcome is Outcome.SCORED
        worker = psutil.Process(device.pid)
        workers = [worker, *worker.children(recursive=True)]
        endless = problem.task.seed_kernel.replace(STORE, "    for (;;) { if (u > 1e9f) break; }\n" + STORE)
        begin = time.monotonic()
        evaluation = evaluator.evaluate(endless)
        assert evaluation.outcome is Outcome.TIMED_OUT
        assert time.monotonic() - begin < 100
        assert not psutil.wait_procs(workers, timeout=60)[1]
        assert evaluator.evaluate(problem.task.seed_kernel).outcome is Outcome.SCORED
    device.close()


def test_a_worker_that_dies_is_a_crash_and_is_replaced(composed: Compose) -> None:
    problem = instantiate(composed(*HEAT).task)
    device = apple()
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 2), Stopwatch()) as evaluator:
        bench = evaluator.bench(0)
        execution = bench.bind(evaluator.compile(problem.task.seed_kernel))
        execution.run()
        psutil.Process(device.pid).kill()
        with pytest.raises(Crash, match="SIGKILL"):
            execution.run()
        assert execution.run().seconds > 0
        assert bench.verify(execution).outcome is Outcome.SCORED
    device.close()


def test_launch_cost_is_measured_beside_a_run(evaluator: Evaluator, seed: str) -> None:
    execution = evaluator.bench(0).bind(evaluator.compile(seed))
    assert execution.launch() > 0


def test_no_key_reaches_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-passed-on")
    device = apple(chip=None)
    with pytest.raises(DeviceError):
        device.name  # noqa: B018  (a property that asks the worker)
    assert "sk-not-to-be-passed-on" not in psutil.Process(device.pid).environ().values()
    device.close()


def test_a_candidate_that_writes_nothing_is_not_handed_the_last_one_s_result(evaluator: Evaluator, seed: str) -> None:
    assert evaluator.evaluate(seed).outcome is Outcome.SCORED
    idle = seed.replace(STORE, "    if (alpha < 0) " + STORE.strip())
    assert evaluator.evaluate(idle).outcome is Outcome.WRONG


def test_an_unknown_chip_is_refused_with_a_hint() -> None:
    device = apple(chip="M77")
    with pytest.raises(UnknownChipError, match=r"device\.ceilings"):
        device.ceilings  # noqa: B018  (a property that raises)
    device.close()


def test_ceilings_given_by_hand_need_no_chip() -> None:
    assert apple(chip="M77", ceilings=GivenCeilings(5, 6)).ceilings.bandwidth == 5


@pytest.mark.skipif(has_metal(), reason="this machine has Metal")
def test_without_metal_the_device_says_what_to_use() -> None:
    device = AppleDevice(ceilings=UNSET)
    with pytest.raises(DeviceError, match="device=cpu"):
        device.name  # noqa: B018  (a property that raises)
    device.close()


@pytest.mark.skipif(has_metal(), reason="this machine has Metal")
def test_auto_takes_the_software_device_without_metal() -> None:
    device = choose(math_mode=MathMode.fast, time_limit=1, threads=1, chip=None, gpu_cores=None, ceilings=UNSET)
    assert isinstance(device, CpuDevice)
    device.close()


@pytest.mark.apple
@pytest.mark.skipif(not has_metal(), reason="needs an Apple GPU")
@pytest.mark.parametrize("task", ["saxpy", "heat2d", "lbm"])
def test_seed_kernels_are_right_on_the_gpu(composed: Compose, task: str) -> None:
    problem = instantiate(composed(f"task={task}").task)
    device = AppleDevice(ceilings=UNSET)
    with Evaluator(problem.task, problem.sizes[:1], device, 0, Repeats(), Stopwatch()) as evaluator:
        evaluation = evaluator.evaluate(problem.task.seed_kernel)
        assert evaluation.outcome is Outcome.SCORED, evaluation
        assert np.isfinite(evaluation.score)
    device.close()


@pytest.mark.apple
@pytest.mark.skipif(not has_metal(), reason="needs an Apple GPU")
def test_a_compile_error_of_apple_s_compiler_points_into_the_candidate(composed: Compose) -> None:
    problem = instantiate(composed("task=saxpy").task)
    device = AppleDevice(ceilings=UNSET)
    broken = problem.task.seed_kernel.replace("x[i] + y[i]", "x[i] + z[i]")
    with Evaluator(problem.task, problem.sizes[:1], device, 0, Repeats(), Stopwatch()) as evaluator:
        (diagnostic, *_) = evaluator.evaluate(broken).diagnostics
    assert broken.splitlines()[diagnostic.line - 1][diagnostic.column - 1 :].startswith("z[i]")
    device.close()
