"""Vectors whose braces hold too few elements: the rest is zero."""

from pathlib import Path

import numpy as np

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache

SOURCE = """#include <metal_stdlib>
using namespace metal;
struct Both { float4 first; half2 second; };
constant float3 table[2] = {{1, 2, 3}, {4}};
kernel void some(device float4 *o) {
    float4 v = { 1.0h };
    float4 w[2] = {{1, 2, }, {3}};
    Both s = {
        {5},
        {7}
    };
    float3 z{};
    o[0] = v;
    o[1] = w[0] + 10 * w[1];
    o[2] = s.first + float4(float2(s.second), z.xy);
    o[3] = float4(table[1], 1);
}
"""


def test_the_rest_is_zero(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        o = device.buffer(np.full((4, 4), 9, np.float32))
        device.run([Dispatch(device.compile(SOURCE).kernels["some"], {0: o}, threads=(1,), threadgroup=(1,))])
    assert np.array_equal(o.array, [[1, 0, 0, 0], [31, 2, 0, 0], [12, 0, 0, 0], [4, 0, 0, 1]])
