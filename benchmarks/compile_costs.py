"""The cost of compiling: milliseconds of processor time, of all processes, in a cache with only Metal's headers."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from processor_time import processor_seconds

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.files.locations import data

GOAL = 250.0
WARM = "#include <metal_stdlib>\nkernel void warm(uint i [[thread_position_in_grid]]) {}\n"


@dataclass(frozen=True)
class CompileCost:
    """Milliseconds for all kernels of a file, the least of the rounds."""

    what: str
    milliseconds: float
    kernels: int


def measured(files: Sequence[Path], rounds: int) -> Iterator[CompileCost]:
    for file in files:
        source = file.read_text(encoding="utf-8")
        found, count = [], 0
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder, Device(cache=Cache(Path(folder))) as device:
                device.compile(WARM)
                before = processor_seconds()
                count = len([kernel.code for kernel in device.compile(source).kernels.values()])
                found.append(1e3 * (processor_seconds() - before))
        yield CompileCost(f"{file.parent.name}/{file.name}", min(found), count)


def seeds() -> list[Path]:
    return sorted(data("tasks").glob("*/seed.metal"))


def report(found: Sequence[CompileCost]) -> Iterator[str]:
    yield "| file | kernels | ms | goal |"
    yield "|---|---|---|---|"
    for cost in found:
        yield f"| {cost.what} | {cost.kernels} | {cost.milliseconds:.0f} | {GOAL:g} |"
