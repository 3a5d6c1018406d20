"""`python -m metalsci.doctor --calibrate FILE`: an Apple GPU timed next to what the model predicts of it."""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from metalsci.cli.composing import ConfigChoice
from metalsci.devices.apple.apple_device import AppleDevice
from metalsci.devices.apple.pipeline_limits import pipeline_limits
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.virtual.calibration import Calibration, Example, calibrate
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.experiment.instantiation import make
from metalsci.files.locations import data
from metalsci.files.whole_files import write_json
from metalsci.task.input_seeds import in_distribution
from metalsci.task.loader import Problem

_SEED = 0  # of inputs: the same on every machine


def calibrate_here(device: AppleDevice, file: Path, console: Console) -> None:
    """Measure, compare and write. Raises UnknownGpuError for a chip without facts, and OSError."""
    gpu = facts_of(device.chip, device.gpu_cores)
    examples = list(_examples())
    if sys.platform == "linux":
        with closing(CpuDevice(time_limit=60.0)) as counting:
            found = calibrate(device, gpu, examples, counting)
    else:
        found = calibrate(device, gpu, examples)
    limits = {
        f"{example.name}: {kernel}": limit
        for example in examples
        for kernel, limit in pipeline_limits(example.source).items()
    }
    found = Calibration(**{**vars(found), "pipelines": limits})
    write_json(file, found)
    _show(found, console)
    console.print(f"written to {file}; device=virtual device.calibration={file} uses it")


def _examples() -> Iterator[Example]:
    """Yield seed kernels and examples of every task at their smallest size."""
    for folder in sorted(data("tasks").iterdir()):
        if not (folder / "seed.metal").exists():
            continue
        problem: Problem = make(ConfigChoice.of([f"task={folder.name}"], "evaluate").compose(), "task")
        size = problem.sizes[0]
        program = problem.task.trace(size, problem.task.inputs(size, in_distribution(_SEED, 0)))
        for source in (folder / "seed.metal", *sorted((folder / "examples").glob("*.metal"))):
            name = f"{folder.name}/{source.stem}"
            yield Example(name, size.label, source.read_text(encoding="utf-8"), problem.task.signatures, program)


def _show(found: Calibration, console: Console) -> None:
    table = Table(title=f"{found.gpu} with {found.cores} cores: cycles, and seconds of a launch")
    for heading in ("constant", "measured", "assumed"):
        table.add_column(heading, justify="left" if heading == "constant" else "right")
    for name, value in found.constants.items():
        table.add_row(name, f"{value:.3g}", f"{found.assumed[name]:.3g}")
    console.print(table)
    for kernel in found.kernels:
        if kernel.predicted:
            predicted = f"predicted {1e6 * kernel.predicted:.0f} µs"
        else:
            predicted = "not predicted on this machine"
        console.print(f"{kernel.name} at {kernel.size}: {1e6 * kernel.measured:.0f} µs, {predicted}")
    if not found.pipelines:
        console.print("maxTotalThreadsPerThreadgroup is not recorded: that takes Xcode's tools (xcrun swift)")
