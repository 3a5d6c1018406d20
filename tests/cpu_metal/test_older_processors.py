"""A processor without instructions for the 16-bit types converts by the runtime's functions, to the same bits."""

import platform

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain

SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void convert(device const float *x, device half *h, device float *f, device ushort *b,
                    uint i [[thread_position_in_grid]]) {
    h[i] = half(x[i]);
    f[i] = float(h[i]);
    b[i] = as_type<ushort>(bfloat(x[i]));
}"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names an x86-64 level")
def test_conversions_of_half_and_bfloat(cache: Cache) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    bits[:3000] = np.arange(3000) * 1000 + 0x33000000  # around half's subnormal numbers
    bits[3000:6000] = np.arange(3000) + 0x477FE000  # and its largest
    values = bits.view(np.float32)
    values = np.where(np.abs(values) < np.float32(1.2e-38), 0, values).astype(np.float32)
    with Device(cache=cache, toolchain=Toolchain(architecture="x86-64-v2")) as device:
        x, h = device.buffer(values), device.empty(values.shape, np.float16)
        f, b = device.empty(values.shape, np.float32), device.empty(values.shape, np.uint16)
        kernel = device.compile(SOURCE, "safe").kernels["convert"]
        device.run([Dispatch(kernel, {0: x, 1: h, 2: f, 3: b}, values.shape, (64,))])
    number = ~np.isnan(values)
    with np.errstate(over="ignore"):
        want = values.astype(np.float16)
    np.testing.assert_array_equal(h.array[number].view(np.uint16), want[number].view(np.uint16))
    np.testing.assert_array_equal(f.array[number], want[number].astype(np.float32))
    wide = values.view(np.uint32).astype(np.uint64)
    rounded = ((wide + 0x7FFF + (wide >> 16 & 1)) >> 16).astype(np.uint16)
    np.testing.assert_array_equal(b.array[number], rounded[number])
    assert np.isnan(h.array[~number]).all()
