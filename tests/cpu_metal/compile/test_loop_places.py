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
            assert "line 5: a vector is loaded" in kernel.how
            assert "line 5: a vector is loaded" in kernel.how
            assert len(front_ends) == runs


def test_a_kernel_in_lanes_has_no_line_to_look_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        kernel = device.compile(SOURCE.replace("i * 9", "i").replace("i * 7", "i")).kernels["apart"]
        monkeypatch.setattr(Toolchain, "compile_metal", None)
        assert "in the lanes of vectors" in kernel.how
