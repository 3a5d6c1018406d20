"""A task's kernel, counted on the software device and priced for an Apple GPU."""

from contextlib import closing

from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.virtual.gpu_facts import GpuFacts
from metalsci.devices.virtual.prediction import Prediction, predict
from metalsci.task.definition import Size
from metalsci.task.input_seeds import in_distribution
from metalsci.task.loader import Problem

_INPUTS = 0  # their seed: the same each time, so that two profiles can be compared
_TIME_LIMIT = 60.0  # seconds of processor time; counted code is slower


def predict_kernel(problem: Problem, size: Size, source: str, gpu: GpuFacts) -> Prediction:
    """Run the task's program at one size with every instruction counted, and predict its time.

    Raises CompileError, and KernelFailure for a kernel that cannot be counted.
    """
    inputs = problem.task.inputs(size, in_distribution(_INPUTS, 0))
    with closing(CpuDevice(time_limit=_TIME_LIMIT)) as device:
        module = device.compile(source, problem.task.signatures)
        profile = device.stage(problem.task.trace(size, inputs)).bind(module).profile()
    return predict(profile, gpu)
