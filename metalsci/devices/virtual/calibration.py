"""Calibration of the model on a real GPU: assumed constants measured, and kernels timed next to their predictions.

`python -m metalsci.doctor --calibrate FILE` writes it, and `device.calibration` takes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from metalsci.devices.errors import CANDIDATE_FAULTS, DeviceError
from metalsci.devices.program import Program
from metalsci.devices.protocol import Countable, Device
from metalsci.devices.virtual.gpu_facts import Fact, GpuFacts
from metalsci.devices.virtual.micro_kernels import (
    SIGNATURES,
    SOURCE,
    cycles_of,
    micro_kernels,
    seconds_of_a_launch,
)
from metalsci.devices.virtual.prediction import predict
from metalsci.files.whole_files import read_json
from metalsci.msl.language.signature import KernelSignature


@dataclass(frozen=True)
class TimedKernel:
    """Seconds of a kernel on the GPU, and those predicted for it; None if it cannot be counted on this machine."""

    name: str
    size: str
    measured: float
    predicted: float | None


@dataclass(frozen=True)
class Calibration:
    """Measurements of one GPU.

    gpu, cores: the chip. constants: cycles, and seconds of a launch, by their names in gpu_facts.
    assumed: the model's own, for comparison. kernels: timed next to their predictions.
    pipelines: `maxTotalThreadsPerThreadgroup` by kernel, a label of its register class; empty if nothing here tells it.
    """

    gpu: str
    cores: int
    date: str
    constants: Mapping[str, float]
    assumed: Mapping[str, float]
    kernels: tuple[TimedKernel, ...] = ()
    pipelines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A kernel to be timed: a source with its program."""

    name: str
    size: str
    source: str
    signatures: Sequence[KernelSignature]
    program: Program


def calibrate(
    device: Device,
    gpu: GpuFacts,
    examples: Sequence[Example] = (),
    counting: Device | None = None,
) -> Calibration:
    """Measure the constants on `device`, and time examples.

    counting: a device that can count what the examples do, None if there is none here.
    """
    module = device.compile(SOURCE, SIGNATURES)
    with closing(module):
        clock = gpu.clock.value
        constants = {micro.constant: cycles_of(device, module, micro, clock) for micro in micro_kernels(gpu)} | {
            "launch": seconds_of_a_launch(device, module)
        }
    assumed = {name: gpu.facts()[name].value for name in constants}
    kernels = tuple(_timed(device, gpu, examples, counting))
    return Calibration(gpu.name, round(gpu.cores.value), date.today().isoformat(), constants, assumed, kernels)


def calibrated(gpu: GpuFacts, path: str | Path) -> GpuFacts:
    """Return the chip's facts with the measured constants. Raises DeviceError for a file of another chip, or none."""
    found = read_json(Path(path), Calibration)
    if found is None:
        raise DeviceError(f"{path} is no calibration: `python -m metalsci.doctor --calibrate FILE` writes one on a Mac")
    if (found.gpu, found.cores) != (gpu.name, round(gpu.cores.value)):
        raise DeviceError(f"{path} was measured on {found.gpu} with {found.cores} cores, not on {gpu.name}")
    source = f"measured by metalsci.doctor --calibrate on {found.date}"
    known = gpu.facts()
    measured: dict[str, Any] = {name: Fact(value, source) for name, value in found.constants.items() if name in known}
    return replace(gpu, **measured)


def _timed(
    device: Device, gpu: GpuFacts, examples: Sequence[Example], counting: Device | None
) -> Iterator[TimedKernel]:
    for example in examples:
        try:
            with closing(device.compile(example.source, example.signatures)) as module:
                execution = device.stage(example.program).bind(module)
                execution.run()
                measured = min(execution.run().seconds for _ in range(5))
        except CANDIDATE_FAULTS:
            continue
        yield TimedKernel(example.name, example.size, measured, _predicted(gpu, example, counting))


def _predicted(gpu: GpuFacts, example: Example, counting: Device | None) -> float | None:
    if counting is None:
        return None
    try:
        with closing(counting.compile(example.source, example.signatures)) as module:
            execution = counting.stage(example.program).bind(module)
            if isinstance(execution, Countable):
                return predict(execution.profile(), gpu).seconds
            return None
    except CANDIDATE_FAULTS:
        return None
