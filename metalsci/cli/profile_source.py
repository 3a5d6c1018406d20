"""A kernel to be profiled, from a task or from a file of its own, with its counts and predictions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metalsci import cpu_metal
from metalsci.cli.arguments import UsageError
from metalsci.cli.composing import ConfigChoice
from metalsci.devices.program import SCALARS
from metalsci.devices.virtual.gpu_facts import GpuFacts
from metalsci.devices.virtual.prediction import Prediction, predict
from metalsci.experiment.instantiation import make
from metalsci.experiment.profiling import predict_kernel
from metalsci.experiment.schemas import register
from metalsci.task.loader import Problem

_TYPE = re.compile(r"(?P<scalar>[a-z]+?)(?P<lanes>[234])?(?:\[(?P<count>\d+)\]|:(?P<value>.+))")
_SEED = 0  # of inputs: the same each time, so that two profiles can be compared


@dataclass(frozen=True)
class Profiled:
    """A kernel with its profile. name: of the file, or "seed". size: label of the problem, empty for a file's own."""

    name: str
    size: str
    source: str
    prediction: Prediction


def profile_task(task: str, kernel: str | None, size: str | None, gpu: GpuFacts) -> Profiled:
    """Profile a task's program at one of its sizes, by default the largest; without `kernel`, its seed kernel.

    Raises errors of composing and compiling.
    """
    register()
    problem: Problem = make(ConfigChoice.of([f"task={task}"], "evaluate").compose(), "task")
    labels = [each.label for each in problem.sizes]
    numbered = {str(number): label for number, label in enumerate(labels, 1)}
    if size is not None:
        label = numbered.get(size, size)
    else:
        label = labels[-1]
    if label not in labels:
        raise UsageError(f"size={size}: {task} has {', '.join(labels)}; a number counts them from 1")
    if kernel:
        source = Path(kernel).read_text(encoding="utf-8")
    else:
        source = problem.task.seed_kernel
    prediction = predict_kernel(problem, problem.sizes[labels.index(label)], source, gpu)
    return Profiled(kernel or "seed", label, source, prediction)


def profile_file(settings: Mapping[str, str], gpu: GpuFacts) -> Profiled:
    """Profile one dispatch of a kernel in a file. Raises UsageError for arguments that make no sense."""
    source = Path(settings["source"]).read_text(encoding="utf-8")
    with cpu_metal.Device() as device:
        kernels = device.compile(source).kernels
        name = settings.get("kernel", next(iter(kernels), ""))
        if name not in kernels:
            raise UsageError(f"kernel={name}: {settings['source']} has {', '.join(kernels) or 'no kernels'}")
        bound = {int(key): _bound(device, key, value) for key, value in settings.items() if key.isdigit()}
        threads, group = (tuple(_numbers(settings, key)) for key in ("threads", "threadgroup"))
        try:
            profile = device.profile([cpu_metal.Dispatch(kernels[name], bound, threads, group)])
        except ValueError as error:
            raise UsageError(str(error)) from error
    return Profiled(settings["source"], "", source, predict(profile, gpu))


def _numbers(settings: Mapping[str, str], key: str) -> Iterator[int]:
    words = settings.get(key, "").split(",")
    if not all(word.isdigit() for word in words):
        raise UsageError(f"{key}={settings.get(key, '')}: give one to three numbers, as in {key}=64,4")
    yield from map(int, words)


def _bound(device: cpu_metal.Device, index: str, given: str) -> Any:
    match = _TYPE.fullmatch(given)
    if match is None or match["scalar"] not in SCALARS:
        raise UsageError(
            f"{index}={given}: give type[count] or type:value, as in {index}=float4[1024] or {index}=uint:7"
        )
    dtype, lanes = SCALARS[match["scalar"]], int(match["lanes"] or 1)
    if match["value"] is not None:
        return dtype.type(match["value"])
    shape = (int(match["count"]), lanes)
    numbers = np.random.default_rng(_SEED).random(shape)
    return device.buffer(numbers.astype(dtype) if dtype.kind == "f" else np.zeros(shape, dtype))
