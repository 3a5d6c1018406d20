"""A kernel under the sanitizer gives the same outputs as without, with all of it instrumented.

The accepted programs go through every construct of the language, the tasks' kernels through what people write.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from accepted_programs import PROGRAMS, promises
from composing import Compose
from hydra.utils import instantiate

from metalsci.cpu_metal import Device, Dispatch, Kernel
from metalsci.files.locations import data

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(1200)]
TASKS = sorted(path.parent.name for path in data("tasks").glob("*/task.py"))
# Of a task that has no probes, a size that is small enough.
SMALL = {"hmc": "task.sizes=[{d: 8, K: 64, steps: 4}]"}
KERNELS = [
    pytest.param(task, path, id=f"{task}-{path.stem}")
    for task in TASKS
    for path in [data("tasks") / task / "seed.metal", *sorted((data("tasks") / task / "examples").glob("*.metal"))]
]


def outputs(device: Device, kernel: Kernel, *, check: bool) -> npt.NDArray[np.float32]:
    out, ones = device.buffer(np.zeros(64, np.float32)), device.buffer(np.ones(64, np.float32))
    arguments = {argument.index: ones if argument.index else out for argument in kernel.arguments}
    device.run([Dispatch(kernel, arguments, threads=(1,), threadgroup=(1,))], check=check)
    return out.array


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.metal")), ids=lambda path: path.stem)
def test_accepted_programs(device: Device, path: Path) -> None:
    kernels = device.compile(path.read_text()).kernels
    for promise in promises(path):
        kernel, count = kernels[promise.kernel], len(promise.values)
        plain, checked = outputs(device, kernel, check=False), outputs(device, kernel, check=True)
        np.testing.assert_allclose(checked[:count], plain[:count], rtol=1e-6, err_msg=kernel.name)


@pytest.mark.parametrize(("task", "path"), KERNELS)
def test_kernels_of_tasks(composed: Compose, task: str, path: Path) -> None:
    device_options = ("device.ceilings.bandwidth=1", "device.ceilings.fp32=1", "device.time_limit=120")
    cfg = composed(f"task={task}", *device_options, *([SMALL[task]] if task in SMALL else []))
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    try:
        module = device.compile(path.read_text(), problem.task.signatures)
        rng, size = np.random.default_rng(0), problem.sizes[0]
        probes = [(probe.size, probe.inputs) for probe in problem.task.probes(size, rng)]
        size, inputs = probes[0] if probes else (size, problem.task.inputs(size, rng))
        results = []
        for check in (False, True):
            stage = device.stage(problem.task.trace(size, inputs))
            execution = stage.bind(module)
            stage.poison()
            assert not (execution.check() if check else execution.run() < 0)
            results.append([np.array(output) for output in stage.outputs()])
            stage.close()
        for plain, checked in zip(*results, strict=True):
            scale = np.abs(plain, dtype=np.float64).max() if plain.size else 1.0
            np.testing.assert_allclose(checked, plain, rtol=1e-3, atol=1e-4 * scale)
    finally:
        device.close()
