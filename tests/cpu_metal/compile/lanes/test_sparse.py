"""Threads that end at once by their place in a row are left out of LLVM's loop over threads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.front import wrapper
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes.sparse import WHOLE_ROW
from metalsci.cpu_metal.compile.scratch import Scratch
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution, Wrapper
from metalsci.files.locations import data

COUNT = 700
SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void k(device const float *x, device float *y, constant uint &N, uint i [[thread_position_in_grid]]{group}) {{
    {guard}
    float sum = 0, r[1024];
    r[0] = x[i];
    for (uint j = 1; j < N; ++j) r[j] = float(j % 3) - 0.5f * r[j - 1];  // each of its turns waits for the one before
    for (uint j = 0; j < N; ++j) sum += x[(i + j) % 700] * r[j];
    y[i] = sum;
}}
"""
IN_GROUP = ", uint l [[thread_position_in_threadgroup]], uint g [[threadgroup_position_in_grid]]"
# How many threads of a row one step of the loop goes over.
STEPS: Mapping[str, int] = {
    "if (i % 32 != 0) return;": 32,
    "if (i >= N || (i & 63) != 0) return;": 64,
    "if (i % 24 != 0) return;": 24,
    "if (i % 16 != 0 || N % 3 == 2) return;": 16,
    "if (i % 16 == 0 && N % 3 == 1) {} else return;": 16,
    "if (i != 0) return;": WHOLE_ROW,
    "if (l != 0) return;": WHOLE_ROW,
    "if (l % 8 != 0) return;": 8,
    "if (i % 32 != 5) return;": 1,
    "if (i % 32 != 0) { y[i] = 3; return; }": 1,
    "if (l % 8 != 0 && g != 1) return;": 1,
    "if ((x[i] > 20) | (i % 32 != 0)) return;": 1,
}


def test_vectors_are_said_to_be_of_the_kernels_own_loops(tmp_path: Path) -> None:
    source = (data("tasks") / "compact/examples/fast.metal").read_text()
    with Device(cache=Cache(tmp_path)) as device:
        how = device.compile(source).kernels["compact_count"].how
    assert how.startswith("threads run one after the other; loops of the kernel run in vector lanes")


def result(device: Device, guard: str) -> np.ndarray:
    x = device.buffer(np.random.default_rng(1).integers(0, 40, COUNT).astype(np.float32))
    y = device.buffer(np.zeros(COUNT, np.float32))
    group = IN_GROUP if "(l " in guard else ""
    kernel = device.compile(SOURCE.format(guard=guard, group=group)).kernels["k"]
    device.run([Dispatch(kernel, {0: x, 1: y, 2: COUNT}, threads=(COUNT,), threadgroup=(100,))])
    return np.array(y.array)


@pytest.mark.parametrize("guard", STEPS)
def test_only_threads_without_work_are_left_out(guard: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = []

    def recorded(*given: Any, one_of: int = 1, **named: Any) -> Wrapper:
        steps.append(one_of)
        return wrapper(*given, one_of=one_of, **named)

    with Device(cache=Cache(tmp_path / "s"), toolchain=Toolchain(execution=ThreadExecution.STACKS)) as device:
        want = result(device, guard)
    monkeypatch.setattr(kernel_build, "wrapper", recorded)
    with Device(cache=Cache(tmp_path / "f")) as device:
        found = result(device, guard)
    np.testing.assert_allclose(found, want, rtol=1e-4)
    assert want.any()
    assert [step for step in steps if step > 1] == [STEPS[guard]] * (STEPS[guard] > 1)


def test_kernels_that_are_compiled_side_by_side_have_files_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second module of one kernel was read for another: two of three were wrong in adi3d's example for a CPU."""
    original, names = Scratch.clang, list[str]()

    def recorded(self: Scratch, name: str, *given: Any) -> Any:
        names.append(name)
        return original(self, name, *given)

    monkeypatch.setattr(Scratch, "clang", recorded)
    source = (data("tasks") / "adi3d/examples/fast.metal").read_text()
    with Device(cache=Cache(tmp_path)) as device:
        device.compile(source)
    assert len(names) == 4
    assert len(set(names)) == 4
