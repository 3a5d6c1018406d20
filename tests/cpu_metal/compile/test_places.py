"""The line for which LLVM leaves a loop over threads as it is: found for those who ask, and once."""

from pathlib import Path
from typing import Any

import pytest

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Run, Toolchain

SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void apart(device float4 *v, uint i [[thread_position_in_grid]]) {
    v[i * 9]
        = v[i * 7].wzyx;
}
"""


def test_the_line_of_a_refusal_is_found_when_it_is_first_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front_ends, original = [], Toolchain.compile_metal

    def counted(self: Toolchain, *given: Any, **named: Any) -> Run:
        front_ends.append(given)
        return original(self, *given, **named)

    monkeypatch.setattr(Toolchain, "compile_metal", counted)
    for runs in (2, 0):  # the second device finds it in the cache
        with Device(cache=Cache(tmp_path)) as device:
            front_ends.clear()
            kernel = device.compile(SOURCE).kernels["apart"]
            assert len(front_ends) == runs // 2
            assert "line 5: a vector (or two neighbours in one) is loaded" in kernel.how
            assert "line 5: a vector (or two neighbours in one) is loaded" in kernel.how
            assert len(front_ends) == runs


def test_a_kernel_in_lanes_has_no_line_to_look_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        kernel = device.compile(SOURCE.replace("i * 9", "i").replace("i * 7", "i")).kernels["apart"]
        monkeypatch.setattr(Toolchain, "compile_metal", None)
        assert "in the lanes of vectors" in kernel.how


def test_the_line_for_which_threads_are_not_in_lanes_is_found(tmp_path: Path) -> None:
    source = (
        SOURCE
        + """
kernel void some(device int *o, uint l [[thread_position_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    int a = o[i];
    if (l % 3 == 0)
        a += simd_sum(a);
    o[i] = a;
}
kernel void rows(device const int *start, device const int *s, device int *o, uint i [[thread_position_in_grid]]) {
    int sum = 0;
    for (int e = start[i]; e < start[i + 1]; ++e)
        sum += s[e];
    o[i] = sum;
}
"""
    )
    with Device(cache=Cache(tmp_path)) as device:
        kernels = device.compile(source).kernels
        assert kernels["some"].why == "line 11: a function of a simdgroup where threads may go different ways"
        assert kernels["rows"].why.startswith("line 17: threads leave a loop at different times")
        assert "one after the other; loops of the kernel run in vector lanes" in kernels["rows"].how


def test_the_question_that_leaves_one_thread_of_many_at_work_has_a_line(tmp_path: Path) -> None:
    source = """#include <metal_stdlib>
using namespace metal;
kernel void sums(device const float *x, device float *y, constant uint &n, uint i [[thread_position_in_grid]]) {
    float sum = 0;
    if (i >= n ||
        i % 256 != 0)
        return;
    for (uint e = i; e < min(n, i + 256); ++e)
        sum += x[e];
    y[i / 256] = sum;
}
"""
    with Device(cache=Cache(tmp_path)) as device:
        assert device.compile(source).kernels["sums"].why.startswith("line 5: one thread of many does their work")


def test_of_several_lines_the_first_is_named(tmp_path: Path) -> None:
    branch = "    if (l % {0} == 0)\n        a += {0} * simd_sum(a);\n"
    source = (
        "#include <metal_stdlib>\nusing namespace metal;\nkernel void many(device int *o,\n"
        "    uint l [[thread_position_in_threadgroup]], uint i [[thread_position_in_grid]]) {\n    int a = o[i];\n"
        + "".join(branch.format(each) for each in (3, 5, 7, 9, 11, 13))
        + "    o[i] = a;\n}\n"
    )
    with Device(cache=Cache(tmp_path)) as device:
        assert device.compile(source).kernels["many"].why.startswith("line 7: a function of a simdgroup")
