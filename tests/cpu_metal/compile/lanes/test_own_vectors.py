"""Arrays of vectors that are a thread's own: their elements lie next to those of the other lanes, or vectors do."""

from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes.kernel import InLanes, in_lanes
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

SHAPE, GROUP = (36, 7), (9, 7)
"""The grid and its groups, whose rows are no whole vectors."""
# Arrays stay in memory, since how many of their elements are used is not known.
SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void own(device const {kind}4 *x, device {kind}4 *y, constant uint &n, uint2 at [[thread_position_in_grid]],
                uint2 in_group [[thread_position_in_threadgroup]]) {{
    {kind}4 q[8], p[8];
    const uint i = at.x + 36 * at.y;
    for (uint k = 0; k < n; ++k) {{ q[k] = x[(i * 5 + k) % 252]; p[k] = x[(i * 3 + k) % 252].wzyx; }}
    if (i % 3 == 1) {{
        for (uint k = 0; k < n; ++k) q[k] += 2 * p[k];
    }}
    for (uint k = 1; k < n; ++k) {{ p[k].y = q[k - 1].x; p[k].zw += q[k].xy; }}
    {change}
    {kind}4 sum = 0;
    for (uint k = 0; k < n; ++k) sum += q[k] * p[k];
    y[i] = sum;
}}
"""
CHANGES = {
    "by all alike": "q[n / 2] = p[n / 3];",
    "by rows of the group": "q[in_group.y] = p[7 - in_group.y];",
    "by each at its own place": "q[i % 8] = p[(i * 3) % 8];",
    "an element by each at its own place": "q[i % 8].y = p[(i * 3) % 8].x; q[2][i % 4] = 3;",
}
IN_ROWS = ["by all alike", "by rows of the group"]


def result(device: Device, source: str, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    x = device.buffer(rng.integers(0, 50, (252, 4)).astype(dtype))
    y = device.buffer(np.zeros((252, 4), dtype))
    kernel = device.compile(source).kernels["own"]
    device.run([Dispatch(kernel, {0: x, 1: y, 2: 8}, threads=SHAPE, threadgroup=GROUP)])
    return np.array(y.array)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("kind", "dtype"), [("float", "f4"), ("int", "i4"), ("half", "f2"), ("long", "i8")])
@pytest.mark.parametrize("architecture", ["native", "x86-64-v3"])
def test_all_ways_of_execution_agree(architecture: str, kind: str, dtype: str, change: str) -> None:
    source = SOURCE.format(kind=kind, change=CHANGES[change])
    found = []
    for execution in (ThreadExecution.LANES, ThreadExecution.STACKS):
        with Device(toolchain=Toolchain(execution=execution, architecture=architecture)) as device:
            found.append(result(device, source, dtype))
    np.testing.assert_array_equal(found[0], found[1])
    assert len(np.unique(found[0])) > 100


@pytest.mark.parametrize("change", CHANGES)
def test_vectors_lie_in_rows_unless_lanes_use_some_at_places_of_their_own(
    change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one piece, each lane's vector is a store of its own: hmc's example for a GPU had 40 % more code."""
    texts = []

    def writing(*given: object, **named: object) -> InLanes:
        made = in_lanes(*given, **named)  # type: ignore[arg-type]
        texts.append(made.module)
        return made

    monkeypatch.setattr(kernel_build, "in_lanes", writing)
    with Device(cache=Cache(tmp_path), toolchain=Toolchain(execution=ThreadExecution.LANES)) as device:
        device.compile(SOURCE.format(kind="float", change=CHANGES[change]))
    (text,) = texts
    assert ("store <4 x float>" not in text) == (change in IN_ROWS)
