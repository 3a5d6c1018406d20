"""Bits that move to another place of an integer, by counts that all lanes have in common."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import widen
from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

THREADS = 100
KERNELS = """#include <metal_stdlib>
using namespace metal;
kernel void interleave(device const uint *s, device uint *o, constant uint &bits, uint i [[thread_position_in_grid]]) {
    uint m = 0;
    for (uint b = 0; b < bits; ++b) m |= ((s[i] >> b) & 1u) << (3 * b) | ((i >> b) & 1u) << (3 * b + 1);
    o[i] = m;
}
kernel void reverse(device const ulong *s, device ulong *o, constant uint &bits, uint i [[thread_position_in_grid]]) {
    ulong m = 0;
    for (uint b = 0; b < bits; ++b) m += ((s[i] >> ulong(b)) & 1) << ulong(63 - b);
    o[i] = m;
}
kernel void swap(device const int *s, device int *o, constant uint &bits, uint i [[thread_position_in_grid]]) {
    const int v = s[i];
    o[i] = (int(uint(v) >> (bits & 31) & 1u) << (31 - bits)) - ((v >> bits & 1) << 3);
}
"""


def results(device: Device) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}
    built = device.compile(KERNELS).kernels
    for name, dtype in (("interleave", np.uint32), ("reverse", np.uint64), ("swap", np.int32)):
        known = np.iinfo(dtype)
        given = np.random.default_rng(1).integers(known.min, known.max, THREADS, dtype=dtype, endpoint=True)
        for bits in (0, 1, 5, 10, 31):
            out = device.buffer(np.zeros(THREADS, dtype))
            arguments: dict[int, Any] = {0: device.buffer(given), 1: out, 2: np.uint32(bits)}
            device.run([Dispatch(built[name], arguments, (THREADS,), (THREADS,))])
            found.setdefault(name, []).append(out.array.copy())
    return found


@pytest.fixture(scope="module")
def wanted() -> dict[str, list[np.ndarray]]:
    with Device(toolchain=Toolchain(execution=ThreadExecution.STACKS)) as device:
        return results(device)


@pytest.mark.parametrize("architecture", ["native", "x86-64-v3"])
def test_moved_bits_are_those_that_shifts_move(wanted: dict[str, list[np.ndarray]], architecture: str) -> None:
    with Device(toolchain=Toolchain(execution=ThreadExecution.LANES, architecture=architecture)) as device:
        for name, each in results(device).items():
            np.testing.assert_array_equal(each, wanted[name], err_msg=name)


def test_with_mask_registers_bits_are_asked_for_and_not_shifted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: dict[str, list[np.ndarray]]
) -> None:
    """The same with the question for registers answered by hand, on every machine."""
    made: list[list[str]] = []
    right = widen._moved_bit

    def spy(*given: Any) -> list[str]:
        made.append(right(*given))
        return made[-1]

    monkeypatch.setattr(widen, "_moved_bit", spy)
    monkeypatch.setattr(Code, "has_mask_registers", True)
    monkeypatch.setattr(Code, "shift_counts", lambda self, count: self.splat("i32", count))
    toolchain = Toolchain(execution=ThreadExecution.LANES, architecture="x86-64-v3")
    with Device(cache=Cache(tmp_path), toolchain=toolchain) as device:
        for name, each in results(device).items():
            np.testing.assert_array_equal(each, wanted[name], err_msg=name)
    assert sum(map(bool, made)) >= 4
