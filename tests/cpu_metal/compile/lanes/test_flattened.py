"""Short arms of branches in loops that threads leave at different times, which all lanes compute."""

from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import analysis
from metalsci.cpu_metal.compile.lanes.flattened import flatten
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

THREADS = 100
BODIES = {
    "continue": "if (x >= limit) continue; a += 3.0f * x / (x + 0.5f);",
    "a long arm": "if (x >= limit) continue; const float r = 1 / (x * x + 1), s = r * r * r;"
    " a += 24 * (2 * s * s - s) * r * x; b -= sqrt(fabs(x)) / (s + 2);",
    "one arm": "if (x < limit) a += x * x;",
    "two arms": "if (x < limit) { a += x; b *= 0.5f; } else { a -= x * 2; }",
    "arms in an arm": "if (x < limit) { if (x < 0) a -= x; else b += x; }",
    "several values": "if (x < limit) { const float t = a; a = b; b = t + x; count += 1; }",
    "what writes": "if (x < limit) out[THREADS + i] += x;",
    "what ends": "if (x > 14.5f) return; if (x < limit) a += 1.0f;",
    "a division by nothing": "if (count > i % 3) a += float(100u / (count - i % 3)); count += 1;",
}  # fmt: skip
SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void k(device const float *in [[buffer(0)]], device float *out [[buffer(1)]],
              constant float &limit [[buffer(2)]], uint i [[thread_position_in_grid]]) {
    float a = 1.0f, b = 2.0f;
    uint count = 0;
    for (uint t = 0; t < i % 7 + 1; ++t) {
        const float x = in[(i + t * 13) % THREADS];
        BODY
    }
    out[i] = a + 3 * b + 5 * float(count);
}
"""


def results(execution: ThreadExecution, body: str) -> list[float]:
    values = (np.random.default_rng(5).integers(-64, 256, THREADS) / 16).astype(np.float32)
    source = SOURCE.replace("BODY", BODIES[body]).replace("THREADS", str(THREADS))
    with Device(1, toolchain=Toolchain(execution=execution)) as device:
        kernel = device.compile(source, math_mode="safe").kernels["k"]
        u, v = device.buffer(values), device.buffer(np.zeros(2 * THREADS, np.float32))
        device.run([Dispatch(kernel, {0: u, 1: v, 2: np.float32(6.0)}, threads=(THREADS,), threadgroup=(32,))])
        return [float(each) for each in v.array]


@pytest.mark.parametrize("body", BODIES)
def test_results_are_those_of_threads_that_take_branches(body: str) -> None:
    assert results(ThreadExecution.LANES, body) == results(ThreadExecution.STACKS, body)


@pytest.mark.parametrize(("body", "taken_away"), [("a long arm", True), ("what writes", False)])
def test_arms_that_write_stay(body: str, taken_away: bool, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []

    def logged(*given: Any) -> bool:
        found.append(flatten(*given))
        return found[-1]

    monkeypatch.setattr(analysis, "flatten", logged)
    source = SOURCE.replace("BODY", BODIES[body]).replace("THREADS", str(THREADS))
    with Device(1, cache=cache, toolchain=Toolchain(execution=ThreadExecution.LANES)) as device:
        device.compile(f"{source}// {id(found)}\n")
    assert any(found) is taken_away
