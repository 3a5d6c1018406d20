"""One size of one task, staged on a device: verify and time any candidate on it."""

import math

import numpy as np

from metalsci.benchmark.evaluation import Outcome, Roofline, SizeResult, Timing
from metalsci.benchmark.stopwatch import Stopwatch
from metalsci.benchmark.task import Size, Task
from metalsci.devices.protocol import Device, Execution, Module


class Bench:
    """Holds the inputs on the device and the expected results on this side of it.

    rng: draws the inputs. The same generator state gives exactly the same problem.
    """

    def __init__(self, task: Task, size: Size, device: Device, rng: np.random.Generator, stopwatch: Stopwatch) -> None:
        self.task = task
        self.size = size
        self._watch = stopwatch
        with stopwatch.phase("reference"):
            inputs = task.inputs(size, rng)
            self._want = task.reference(size, inputs)
            self._work = task.work(size, inputs)
        self._ceiling = self._work.bound.ceiling(device.ceilings)
        with stopwatch.phase("staging"):
            self._stage = device.stage(task.trace(size, inputs))

    def bind(self, module: Module) -> Execution:
        return self._stage.bind(module)

    def verify(self, execution: Execution) -> SizeResult:
        """One run over poisoned outputs, compared with the reference. Raises the device's KernelFailures."""
        with self._watch.phase("verification"):
            self._stage.poison()
        self.once(execution)
        return self.compare()

    def compare(self) -> SizeResult:
        """The outputs of the last run against the reference."""
        with self._watch.phase("verification"):
            check = self.task.check(self.size, self._stage.outputs(), self._want)
        error = check.error if math.isfinite(check.error) else None
        outcome = Outcome.SCORED if check.correct else Outcome.WRONG
        return SizeResult(self.size.label, outcome, check.detail, error)

    def once(self, execution: Execution) -> float:
        """Seconds of one run."""
        with self._watch.phase("kernels"):
            return execution.run()

    def roofline(self, timing: Timing) -> Roofline:
        return Roofline(self._work.amount * 1e-9 / timing.median, self._ceiling, self._work.bound.unit)

    def close(self) -> None:
        self._stage.close()
