"""Conversions of floating point to integers saturate; a NaN gives 0."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.llvm.conversions import saturating

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
FLOATS = {"float": np.float32, "half": np.float16}
INTEGERS = {"char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16, "int": np.int32}
INTEGERS |= {"uint": np.uint32, "long": np.int64, "ulong": np.uint64}


def nearest_integers(x: np.ndarray, dtype: type) -> list[int]:
    info = np.iinfo(dtype)
    bounded = [0 if np.isnan(v) else info.max if v == np.inf else info.min if v == -np.inf else int(v) for v in x]
    return [min(max(v, info.min), info.max) for v in bounded]


def values(dtype: type) -> np.ndarray:
    rng = np.random.default_rng(9)
    ends = [2.0**b for b in (7, 8, 15, 16, 31, 32, 63, 64) if b < np.finfo(dtype).maxexp]
    ends = [*ends, np.inf, np.nan, 0.0, 0.5, 0.999, 1.5, 2.5, float(np.finfo(dtype).max)]
    with np.errstate(over="ignore"):
        sharp: npt.NDArray[Any] = np.array(ends).astype(dtype)
        near = np.concatenate([sharp, np.nextafter(sharp, dtype(0)), np.nextafter(sharp, dtype(np.inf))])
        spread: npt.NDArray[Any] = np.exp(rng.uniform(-3, 46, 700)).astype(dtype)
    return np.concatenate([near, -near, spread, -spread]).astype(dtype)


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("floating", FLOATS)
def test_every_scalar_and_vector_conversion(device: Device, floating: str, mode: str) -> None:
    """By a loop that is vectorised, by a thread on its own, and element by element of a vector."""
    x = values(FLOATS[floating])
    x = np.resize(x, -(-x.size // 4) * 4)
    parameters = "".join(f", device {name} *s_{name}, device {name}4 *v_{name}" for name in INTEGERS)
    scalars = "".join(f"s_{name}[i] = {name}(x[i]);" for name in INTEGERS)
    vectors = "".join(f"v_{name}[i / 4] = {name}4(v);" for name in INTEGERS)
    source = HEADER + "".join(
        f"kernel void {kernel}(device const {floating} *x{parameters}, uint i [[thread_position_in_grid]]) {{ {barrier}"
        f" {scalars} if (i % 4) return; const {floating}4 v = ((device const {floating}4 *)x)[i / 4]; {vectors} }}\n"
        for kernel, barrier in (("together", ""), ("alone", "threadgroup_barrier(mem_flags::mem_none);"))
    )
    for kernel in device.compile(source, mode).kernels.values():
        outputs = {name: [device.empty(x.shape, dtype) for _ in range(2)] for name, dtype in INTEGERS.items()}
        bound = [device.buffer(x), *(buffer for pair in outputs.values() for buffer in pair)]
        device.run([Dispatch(kernel, dict(enumerate(bound)), x.shape, (64,))])
        for name, pair in outputs.items():
            want = nearest_integers(x, INTEGERS[name])
            assert [buffer.array.tolist() for buffer in pair] == [want, want], (kernel.name, name)


def test_bfloats_are_converted_too(device: Device) -> None:
    source = HEADER + (
        "kernel void k(device const float *x, device int *out, uint i [[thread_position_in_grid]])"
        " { out[i] = int(bfloat(x[i])); }"
    )
    x = np.array([1e30, -1e30, np.nan, np.inf, 2.0**31, -(2.0**31), 3.0, -0.75], np.float32)
    out = device.empty(x.shape, np.int32)
    device.run([Dispatch(device.compile(source).kernels["k"], {0: device.buffer(x), 1: out}, x.shape, (8,))])
    assert out.array.tolist() == [2**31 - 1, -(2**31), 0, 2**31 - 1, 2**31 - 1, -(2**31), 3, 0]


def test_only_conversions_change_and_what_stands_behind_them_stays() -> None:
    module = (
        "  %1 = fptosi float %0 to i32, !dbg !7\n  %2 = fptoui <4 x half> %x to <4 x i8>\n"
        "  %3 = sitofp i32 %1 to float\n  %4 = fptosi float %3 to i32\n"
    )
    text = saturating(module)
    first, second, third, fourth, *functions = text.splitlines()
    assert first == "  %1 = call i32 @metal.fptosi_float_i32(float %0), !dbg !7"
    assert second == "  %2 = call <4 x i8> @metal.fptoui_4_x_half_4_x_i8(<4 x half> %x)"
    assert third == "  %3 = sitofp i32 %1 to float"
    assert fourth == "  %4 = call i32 @metal.fptosi_float_i32(float %3)"
    assert [re.findall(r"@[\w.]+", line) for line in functions if line.startswith("define")] == [
        ["@metal.fptosi_float_i32"],
        ["@metal.fptoui_4_x_half_4_x_i8"],
    ]
    assert saturating("  %1 = add i32 %0, 1\n") == "  %1 = add i32 %0, 1\n"
