"""The cost of metalsci itself: `python benchmarks/overhead.py`. Run it on a quiet machine.

Medians over a few repeats, of: a command that only prints; the way from the start of the process to the first result on
disk; the time between two candidates that is neither model, compiler, kernel nor reference; one command buffer that
does next to nothing, from submission to completion.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.files.locations import data
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import lower

REPEATS = 5
NOTHING = """#include <metal_stdlib>
using namespace metal;
kernel void nothing(device float *y, uint i [[thread_position_in_grid]]) { y[i] = 0; }
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "metalsci.run", *arguments]


def help_seconds() -> float:
    begin = time.perf_counter()
    subprocess.run(command("--help"), check=True, capture_output=True)
    return time.perf_counter() - begin


def first_result_seconds() -> float:
    """Time the way from process start to the seed kernel's result, by the file system's clock."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.time()
        subprocess.run(command("experiment=smoke"), cwd=folder, check=True, capture_output=True)
        (result,) = Path(folder).rglob("00_result.json")
        return result.stat().st_mtime - begin


def framework_seconds(task: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command(f"task={task}", "budget.iterations=6"), cwd=folder, check=True, capture_output=True)
        (summary,) = Path(folder).rglob("summary.json")
        return float(json.loads(summary.read_text())["framework_ms_per_iteration"]) / 1e3


def round_trip_seconds() -> float:
    with Device() as device:
        kernel = device.compile(NOTHING).kernels["nothing"]
        out = device.buffer(np.zeros(64, np.float32))
        commands = device.encode([Dispatch(kernel, {0: out}, threads=(64, 1, 1), threadgroup=(64, 1, 1))])
        return statistics.median(device.run(commands).wall for _ in range(500))


def compile_seconds() -> float:
    """Compile the lbm seed kernel, in a cache that has Metal's headers and not this kernel."""
    source = (data("tasks") / "lbm" / "seed.metal").read_text()
    with tempfile.TemporaryDirectory() as folder, Device(cache=Cache(Path(folder))) as device:
        device.compile(NOTHING)
        begin = time.perf_counter()
        device.compile(source)
        return time.perf_counter() - begin


def lowering_seconds() -> float:
    """Lower the lbm seed kernel from text to the arguments of mx.fast.metal_kernel."""
    source = (data("tasks") / "lbm" / "seed.metal").read_text()
    begin = time.perf_counter()
    lower(parse(source))
    return time.perf_counter() - begin


def restart_seconds() -> float:
    """Start a fresh device process and run its first command buffer."""
    with Device() as device:
        kernel = device.compile(NOTHING).kernels["nothing"]
        out = device.buffer(np.zeros(64, np.float32))
        begin = time.perf_counter()
        device.run([Dispatch(kernel, {0: out}, threads=(64, 1, 1), threadgroup=(64, 1, 1))])
        return time.perf_counter() - begin


def main() -> None:
    table = Table(title=f"cost of metalsci itself, median of {REPEATS}", title_justify="left")
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("range", justify="right")
    rows = {
        "python -m metalsci.run --help": help_seconds,
        "experiment=smoke, start to first result": first_result_seconds,
        "task=lbm, framework per candidate": lambda: framework_seconds("lbm"),
        "task=heat2d, framework per candidate": lambda: framework_seconds("heat2d"),
        "compiling the lbm seed kernel": compile_seconds,
        "lowering the lbm seed kernel to MLX": lowering_seconds,
        "a fresh device process and its first run": restart_seconds,
        "one command buffer, round trip": round_trip_seconds,
    }
    for what, measure in rows.items():
        seconds = sorted(measure() for _ in range(REPEATS))
        span = f"{1e3 * seconds[0]:.3g}–{1e3 * seconds[-1]:.3g} ms"
        table.add_row(what, f"{1e3 * statistics.median(seconds):.3g} ms", span)
    Console().print(table)


if __name__ == "__main__":
    main()
