"""Kernels that LLVM takes a minute over, as models write them: orders to unroll, within loops that are unrolled too."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch, Kernel
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes.kernel import InLanes, in_lanes
from metalsci.cpu_metal.compile.toolchain import Run, TooLateError, Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution
from metalsci.files.locations import data

THREADS, SIDE = 64, 16
# A thread's own list of neighbours: lanes gain little by it.
LISTS = """#include <metal_stdlib>
kernel void steps(device const float *a, device float *y, constant uint &n, uint i [[thread_position_in_grid]]) {
    uint count = uint(y[i * 16]);
    float sum = y[i * 16 + 1];
    for (uint k = 0; k < count; ++k) {
        float at = a[(k * 7 + i * 5) % 256];
        float x = at * sum + 1, z = x * x - at, w = z * x + sum, v = w * z - x;
        sum = 0.5f * sum + at * v - w * x;
    }
    y[i * 16 + 1] = sum;
}
"""
ORDER = re.compile(r"llvm\.loop\.unroll\.(full|count|enable)")
SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void steps(device const float *a, device float *y, constant uint &n, uint i [[thread_position_in_grid]]) {
    float q[16], f[16];
    #pragma unroll
    for (int k = 0; k < 16; ++k) q[k] = y[i * 16 + k];
    for (uint s = 0; s < n; ++s) {
        #pragma unroll(4)
        for (int t = 0; t < 4; ++t) {
            #pragma unroll
            for (int r = 0; r < 16; ++r) {
                f[r] = 0;
                #pragma unroll
                for (int c = 0; c < 16; ++c) f[r] += a[r * 16 + c] * q[c];
            }
            #pragma unroll
            for (int k = 0; k < 16; ++k) q[k] -= 0.125f * f[k];
        }
    }
    #pragma unroll
    for (int k = 0; k < 16; ++k) y[i * 16 + k] = q[k];
}
"""


def result(device: Device, kernel: Kernel) -> np.ndarray:
    rng = np.random.default_rng(5)
    a = device.buffer(rng.integers(0, 2, (SIDE, SIDE)).astype(np.float32))
    y = device.buffer(rng.integers(0, 9, (THREADS, SIDE)).astype(np.float32))
    device.run([Dispatch(kernel, {0: a, 1: y, 2: 1}, threads=(THREADS,), threadgroup=(THREADS,))])
    return y.array.copy()


@pytest.fixture
def want(tmp_path: Path) -> np.ndarray:
    with Device(cache=Cache(tmp_path / "plain")) as device:
        return result(device, device.compile(SOURCE.replace("#pragma unroll", "//")).kernels["steps"])


@pytest.mark.parametrize("steps", [["simplify"], ["simplify", "optimise"]], ids=lambda steps: steps[-1])
def test_a_kernel_that_is_unrolled_for_too_long_is_compiled_as_loops(
    steps: list[str], want: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler is late whenever it is to unroll; how late a real one is depends on the processor."""
    late: list[str] = []

    def limited(step: str) -> Callable[..., Run]:
        original = getattr(Toolchain, step)

        def call(self: Toolchain, folder: Path, module: str, *rest: Any, **named: Any) -> Run:
            if ORDER.search((folder / module).read_text(encoding="utf-8")):
                late.append(step)
                raise TooLateError("the compiler needed more than 1 s of processor time")
            made: Run = original(self, folder, module, *rest, **named)
            return made

        return call

    for step in steps:
        monkeypatch.setattr(Toolchain, step, limited(step))
    with Device(cache=Cache(tmp_path / "late")) as device:
        kernel = device.compile(SOURCE).kernels["steps"]
        assert late == ["simplify"]
        assert "no loop is unrolled as it asks" in kernel.built.remark
        assert np.array_equal(result(device, kernel), want)


def test_code_that_takes_too_long_without_lanes_is_compiled_as_loops(
    want: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Toolchain.optimise

    def limited(self: Toolchain, folder: Path, module: str, *rest: Any) -> Run:
        if ORDER.search((folder / module).read_text(encoding="utf-8")):
            raise TooLateError("the compiler needed more than 3 s of processor time")
        return original(self, folder, module, *rest)

    monkeypatch.setattr(Toolchain, "optimise", limited)
    with Device(cache=Cache(tmp_path / "late"), toolchain=Toolchain(execution=ThreadExecution.LOOPS)) as device:
        kernel = device.compile(SOURCE).kernels["steps"]
        assert "it is optimised less" in kernel.built.why
        assert np.array_equal(result(device, kernel), want)


@pytest.mark.parametrize("limit", ["MOST_UNROLLED", "MOST_SIMPLE"])
def test_a_kernel_that_would_be_long_is_compiled_as_loops_before_it_takes_long(
    limit: str, want: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_build, limit, 20)
    with Device(cache=Cache(tmp_path / "long")) as device:
        kernel = device.compile(SOURCE).kernels["steps"]
        assert "the code would be long" in kernel.built.remark
        assert "in the lanes of vectors" in kernel.built.how
        assert kernel.remark == f"{kernel.built.remark}; line 14 becomes more code than any other"
        assert np.array_equal(result(device, kernel), want)


def test_a_kernel_is_as_short_as_the_limits_ask_unless_it_is_longer(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        assert not device.compile(SOURCE.replace("16", "4")).kernels["steps"].remark


def test_long_code_without_lanes_is_optimised_less_at_once(
    want: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_build, "MOST_OPTIMISED", 20)
    with Device(cache=Cache(tmp_path / "long"), toolchain=Toolchain(execution=ThreadExecution.LOOPS)) as device:
        kernel = device.compile(SOURCE).kernels["steps"]
        assert kernel.built.why == "it is optimised less, since it is long"
        assert kernel.remark == "line 14 becomes more code than any other"
        assert np.array_equal(result(device, kernel), want)


def test_loops_of_a_kernel_that_is_too_long_for_lanes_stay_loops_though_nobody_orders_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths, kernels, results = [], [], []
    source = SOURCE.replace("#pragma unroll", "//").replace("16", "6")

    def writing(module: str, *rest: Any, **named: Any) -> InLanes:
        lengths.append(module.count("\n"))
        return in_lanes(module, *rest, **named)

    monkeypatch.setattr(kernel_build, "in_lanes", writing)
    for limit in (5000, 20):
        monkeypatch.setattr(kernel_build, "MOST_SIMPLE", 10)
        monkeypatch.setattr(kernel_build, "MOST_IN_LANES", limit)
        with Device(cache=Cache(tmp_path / str(limit))) as device:
            kernels.append(device.compile(source).kernels["steps"])
            results.append(result(device, kernels[-1]))
    assert lengths[1] < lengths[0] - 50
    assert np.array_equal(results[0], results[1])
    assert "in the lanes of vectors" in kernels[1].how
    assert kernels[1].remark == "line 14 becomes more code than any other"


def test_eight_instances_of_a_step_run_in_lanes() -> None:
    """One after the other on stacks they took seven times as long."""
    with Device() as device:
        kernel = device.compile((data("tasks") / "hmc/examples/gpu.metal").read_text()).kernels["hmc_step"]
        assert "in the lanes of vectors, in 2 parts between barriers" in kernel.how


def test_lists_of_a_threads_own_are_not_for_lanes_in_a_long_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number, limit in enumerate((1000, 20)):
        monkeypatch.setattr(kernel_build, "MOST_SIMPLE", limit)
        with Device(cache=Cache(tmp_path / str(number))) as device:
            found.append(device.compile(LISTS).kernels["steps"])
    assert "in the lanes of vectors" in found[0].how
    assert found[1].built.why == "it is long, and threads leave its loops at different times"
    line = next(number for number, text in enumerate(LISTS.splitlines(), 1) if "a[(k" in text)
    assert f"line {line}: it is long" in found[1].why
