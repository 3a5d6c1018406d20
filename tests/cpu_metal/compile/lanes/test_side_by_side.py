"""Products of matrices with a thread's own arrays, of which four rows are computed side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes.code import SIDE_BY_SIDE
from metalsci.cpu_metal.compile.lanes.kernel import InLanes, in_lanes
from metalsci.cpu_metal.compile.toolchain import Run, Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution
from metalsci.msl.language.math_mode import MathMode

THREADS, MOST = 100, 12
KERNEL = """#include <metal_stdlib>
using namespace metal;
kernel void k(device const float *s, device float *o, device const float *A, constant uint &n,
              uint i [[thread_position_in_grid]]) {{
    float x[12], y[12], sum = 0.0f;
    for (uint r = 0; r < n; ++r) {{ x[r] = s[i * n + r]; y[r] = 2.0f * x[r]; }}
    {loops}
    for (uint r = 0; r < n; ++r) o[i * n + r] = y[r] + 0.5f * x[r] + sum;
}}
"""
PRODUCT = "for (uint c = 0; c < n; ++c) a = a * 0.5f + A[r * n + c] * x[c];"
SIDE_BY_SIDE_LOOPS = {
    "a product": f"for (uint r = 0; r < n; ++r) {{ float a = 0; {PRODUCT} y[r] = a; }}",
    "a product that is added": f"for (uint r = 0; r < n; ++r) {{ float a = 0; {PRODUCT} y[r] -= 0.5f * a; }}",
    "two products": f"""for (uint t = 0; t < 3; ++t) {{
        for (uint r = 0; r < n; ++r) {{ float a = 0; {PRODUCT} y[r] -= a; }}
        for (uint r = 0; r < n; ++r) x[r] += 0.25f * y[r];
    }}""",
}
OTHER_LOOPS = {
    "a product that takes the place of its factor": (
        f"for (uint r = 0; r < n; ++r) {{ float a = 0; {PRODUCT} x[r] = a; }}"
    ),
    "a sum over all of it": f"for (uint r = 0; r < n; ++r) {{ float a = 0; {PRODUCT} sum += a * y[r]; }}",
    "a loop that writes": "for (uint r = 0; r < n; ++r) for (uint c = 0; c < n; ++c) y[c] += A[r * n + c] * x[r];",
    "a write that others may read": (
        f"for (uint r = 0; r < n; ++r) {{ float a = 0; {PRODUCT} o[i * n + r] = a; y[r] = a; }}"
    ),
}


@pytest.mark.parametrize("architecture", ["native", "x86-64-v3"])
@pytest.mark.parametrize("loops", [*SIDE_BY_SIDE_LOOPS.values(), *OTHER_LOOPS.values()])
def test_sums_are_those_of_threads_on_stacks(loops: str, architecture: str) -> None:
    """To the bit: every sum is computed in its own order."""
    wanted = found(Toolchain(execution=ThreadExecution.STACKS), loops)
    for size, got in found(Toolchain(execution=ThreadExecution.LANES, architecture=architecture), loops).items():
        np.testing.assert_array_equal(got, wanted[size])


def found(toolchain: Toolchain, loops: str) -> dict[int, np.ndarray]:
    results = {}
    rng = np.random.default_rng(1)
    with Device(toolchain=toolchain) as device:
        built = device.compile(KERNEL.format(loops=loops), math_mode="safe").kernels["k"]
        for size in (1, 3, 4, 5, 8, 11, MOST):
            given = rng.standard_normal((THREADS, size)).astype(np.float32)
            matrix = rng.standard_normal((size, size)).astype(np.float32)
            out = device.buffer(np.zeros_like(given))
            arguments: dict[int, Any] = {0: device.buffer(given), 1: out, 2: device.buffer(matrix), 3: np.uint32(size)}
            device.run([Dispatch(built, arguments, (THREADS,), (THREADS,))])
            results[size] = np.array(out.array)
    return results


@pytest.mark.parametrize("name", SIDE_BY_SIDE_LOOPS)
def test_llvm_runs_four_rows_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    module, messages = compiled(monkeypatch, tmp_path, SIDE_BY_SIDE_LOOPS[name])
    assert SIDE_BY_SIDE in module
    assert "unroll and jammed loop by a factor of 4" in messages


@pytest.mark.parametrize("name", OTHER_LOOPS)
def test_other_loops_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    module, messages = compiled(monkeypatch, tmp_path, OTHER_LOOPS[name])
    assert SIDE_BY_SIDE not in module
    assert "jammed loop" not in messages


def compiled(monkeypatch: pytest.MonkeyPatch, folder: Path, loops: str) -> tuple[str, str]:
    """Return what LLVM is given of a kernel in lanes, and what it says of its loops."""
    modules: list[str] = []
    messages: list[str] = []
    optimise = Toolchain.optimise

    def spy(*given: Any, **how: Any) -> InLanes:
        made = in_lanes(*given, **how)
        modules.append(made.module)
        return made

    def said(
        self: Toolchain,
        folder: Path,
        module: str,
        output: str,
        math_mode: MathMode,
        flags: Sequence[str],
        seconds: float,
    ) -> Run:
        run = optimise(self, folder, module, output, math_mode, (*flags, "-Rpass=loop-unroll-and-jam"), seconds)
        messages.append(run.messages)
        return run

    monkeypatch.setattr(kernel_build, "in_lanes", spy)
    monkeypatch.setattr(Toolchain, "optimise", said)
    toolchain = Toolchain(execution=ThreadExecution.LANES, architecture="x86-64-v3")
    with Device(cache=Cache(folder), toolchain=toolchain) as device:
        device.compile(KERNEL.format(loops=loops))
    assert len(modules) == 1
    return modules[0], "\n".join(messages)
