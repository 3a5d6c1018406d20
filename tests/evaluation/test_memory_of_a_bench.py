"""Memory of the host: inputs exist once, in the device's buffers, and expected results that are large lie on disk.

Counted by tracemalloc, which knows NumPy's arrays, and neither buffers nor what is mapped from a disk.
"""

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.program import Array
from metalsci.devices.protocol import Device
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.staged_size import Bench
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.files.disk_arrays import LARGE
from metalsci.task.definition import Size, Task
from metalsci.task.references import References

NUMBERS = LARGE  # of one array, which is then four times as large as what is worth a file
BYTES = 4 * NUMBERS
SIZE = Size("large", {"N": NUMBERS})


class Traced:
    """Bytes of NumPy's arrays: at most, and when all is done."""

    def __init__(self) -> None:
        self.most = self.left = 0


@contextmanager
def traced() -> Iterator[Traced]:
    found = Traced()
    tracemalloc.start()
    try:
        yield found
        found.left, found.most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def device(composed: Compose) -> Iterator[Device]:
    made: Device = instantiate(composed("device.ceilings.bandwidth=10", "device.ceilings.fp32=10").device)
    yield made
    made.close()


@pytest.fixture
def saxpy(composed: Compose) -> Task:
    task: Task = instantiate(composed("task=saxpy").task).task
    return task


def evaluate(task: Task, device: Device, source: str) -> Outcome:
    """Do all that an evaluation does with arrays."""
    bench = Bench(task, SIZE, device, np.random.default_rng(0), Stopwatch(), References(worth=60.0))
    try:
        attempt = bench.bind(device.compile(source, task.signatures))
        verified = bench.verify(attempt)
        for _ in range(6):
            bench.once(attempt)
        return min(verified.outcome, bench.compare(attempt).outcome, key=lambda each: each.correct)
    finally:
        bench.close()


def test_a_task_that_works_in_parts_needs_little_beyond_its_buffers(saxpy: Task, device: Device) -> None:
    """Both problems have three arrays of 32 MiB each; the host has had eleven such."""
    with traced() as found:
        assert evaluate(saxpy, device, saxpy.seed_kernel) is Outcome.SCORED
    assert found.most < 0.6 * BYTES  # half of it is of the verified run: see metalsci.evaluation.vigil
    assert found.left < LARGE


def test_explaining_what_is_wrong_needs_little_too(saxpy: Task, device: Device) -> None:
    wrong = saxpy.seed_kernel.replace("a * x[i] + y[i]", "a * x[i] - y[i]")
    assert wrong != saxpy.seed_kernel
    with traced() as found:
        assert evaluate(saxpy, device, wrong) is Outcome.WRONG
    assert found.most < 0.6 * BYTES


@pytest.fixture
def plain(saxpy: Task) -> Task:
    """Return a task of somebody who knows nothing of large arrays."""
    base: Any = type(saxpy)

    class Plain(base):  # type: ignore[misc]
        def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
            return {name: rng.standard_normal(size.N, dtype=np.float32) for name in "xy"}

        def probes(self, size: Size, rng: np.random.Generator) -> Sequence[Any]:
            return ()

        def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
            return [np.float32(self.physics["a"]) * inputs["x"] + inputs["y"]]

    saxpy.__class__ = Plain
    return saxpy


def test_other_tasks_keep_nothing_either(plain: Task, device: Device) -> None:
    with traced() as found:
        bench = Bench(plain, SIZE, device, np.random.default_rng(0), Stopwatch(), References(worth=60.0))
    assert found.left < LARGE  # neither inputs nor expected results
    bench.close()


@pytest.fixture
def made(composed: Compose) -> Callable[[str], Task]:
    def make(name: str) -> Task:
        task: Task = instantiate(composed(f"task={name}").task).task
        return task

    return make


def test_saxpy_in_parts_has_the_same_bits(saxpy: Task) -> None:
    size = Size("odd", {"N": 3_000_001})  # above what is large, and no multiple of a part
    got = saxpy.inputs(size, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal(size.N, dtype=np.float32) for _ in range(2))
    np.testing.assert_array_equal(got["x"], x)
    np.testing.assert_array_equal(got["y"], y)
    (want,) = saxpy.reference(size, got)
    np.testing.assert_array_equal(want, np.float32(saxpy.physics["a"]) * x + y)


def test_a_transform_in_parts_has_the_same_bits(made: Callable[[str], Task]) -> None:
    fft3d, size = made("fft3d"), Size("large", {"N": 96})  # expected results of 14 MiB
    inputs = fft3d.inputs(size, np.random.default_rng(1))
    np.testing.assert_array_equal(
        inputs["x"], np.random.default_rng(1).standard_normal((96, 96, 96, 2), dtype=np.float32)
    )
    x = inputs["x"].astype(np.float64).view(np.complex128)[..., 0]
    for axis in range(3):
        x = np.fft.fft(x, axis=axis)
    (want,) = fft3d.reference(size, inputs)
    np.testing.assert_array_equal(want, x[..., None].view(np.float64))


def test_a_transform_needs_little_beyond_its_arrays(made: Callable[[str], Task]) -> None:
    fft3d, size = made("fft3d"), Size("large", {"N": 128})
    with traced() as found:
        inputs = fft3d.inputs(size, np.random.default_rng(0))
        fft3d.invariants(size, inputs, fft3d.reference(size, inputs))
    assert found.most < 16 * 128**3  # 12 MiB of 32 in one array of the expected results


def test_a_second_device_runs_on_the_same_inputs(saxpy: Task, device: Device) -> None:
    """The sanitizer's has buffers of its own for what kernels write, and none for inputs."""
    bench = Bench(saxpy, SIZE, device, np.random.default_rng(0), Stopwatch(), References(worth=60.0))
    with closing(CpuDevice()) as other:
        again = other.stage(bench.program)
        for (_, array), same in zip(bench.program.inputs, again.inputs, strict=True):
            assert np.shares_memory(array, same)
            assert not same.flags.writeable
    bench.close()
