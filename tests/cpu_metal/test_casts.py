"""Casts to vectors convert element by element, as Metal's do; to Clang's C++ for OpenCL they are other bits."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache

X = np.array([1.5, 2.75, -3.5, 4.25], np.float32)
HEAD = """#include <metal_stdlib>
using namespace metal;
#define TO_SHORT(v) (short4)(v)
#define FOUR float4
using whole = int4;
struct Both { float4 first; float4 second[2]; };
float4 twice(float4 v) { return v * 2; }
template <int N> float4 times(float4 v) { return v * N; }
template <typename To, typename From> To cast(From v) { return static_cast<To>(v); }
template <typename To, typename From> To old_cast(From v) { return (To)v; }
template <typename To> To negative(float4 v) { return (To)-v; }
kernel void casts(device const float4 *x, device float4 *o, device const packed_float3 *p) {
    float4 v = x[0];
    half4 h = half4(v);
    Both both = {v, {v * 10, v * 100}};
    thread const Both *at = &both;
    o[0] = float4(EXPRESSION);
}
"""
WHOLE = np.trunc(X)
WANTED = {
    "(int4) v": WHOLE,
    "(int4)(v)": WHOLE,
    "(const int4)v": WHOLE,
    "(metal::int4)v": WHOLE,
    "(vec<int, 4>)v": WHOLE,
    "(whole)v": WHOLE,
    "static_cast<int4>(v)": WHOLE,
    "static_cast<const metal::int4>(v)": WHOLE,
    "static_cast<whole>(v)": WHOLE,
    "(half4)v": X,
    "(float4)h": X,
    "(float4)(half4)(int4)v": WHOLE,
    "(int4)-v": -WHOLE,
    "-(int4)v": -WHOLE,
    "(int4)v + (int4)v": 2 * WHOLE,
    "(int4)v * 3": 3 * WHOLE,
    "3 * (int4)v": 3 * WHOLE,
    "(int4)x[0]": WHOLE,
    "(int4)*x": WHOLE,
    "(int4)v.wzyx": WHOLE[::-1],
    "(int4)twice(v)": np.trunc(2 * X),
    "(int4)times<3>(v)": np.trunc(3 * X),
    "(int4)metal::abs(v)": np.abs(WHOLE),
    "(int4)both.first": WHOLE,
    "(int4)at->second[0].yxwz": np.trunc(10 * X)[[1, 0, 3, 2]],
    "(int4)at->second[1]": np.trunc(100 * X),
    "(int4)float4(v.x, v.y, v.z, v.w)": WHOLE,
    "(int4)(v * 2.0f)": np.trunc(2 * X),
    "(int4)*(device const float4 *)x": WHOLE,
    "float4((int2)v.xy, (int2)v.zw)": WHOLE,
    "TO_SHORT(v) + TO_SHORT(v)": 2 * WHOLE,
    "(FOUR)h": X,
    "(int4)(v > 2.0f)": [0, 1, 0, 1],
    "(float4)(bool4)(v + 3.5f)": [1, 1, 0, 1],
    "(float4)1": [1, 1, 1, 1],
    "(half4)2.5h": [2.5, 2.5, 2.5, 2.5],
    "cast<int4>(v)": WHOLE,
    "old_cast<int4>(v)": WHOLE,
    "negative<int4>(v)": -WHOLE,
    "cast<float>(v.x)": [1.5] * 4,
    "old_cast<half>((bfloat)v.x)": [1.5] * 4,
    "(half)(bfloat)v.x": [1.5] * 4,
    "(uchar4)(v + 4.0f)": [5, 6, 0, 8],
    "float4((packed_int3)p[0], 7)": [1, 2, -3, 7],
    "float4(sizeof(half4)) + v * 0": [8] * 4,
    "(1, 2, v)": X,
    "float4(half2x2(float2x2(v.xy, v.zw))[1], half4x4(float4x4(2.0f))[1].xy)": [-3.5, 4.25, 0, 2],
    "float4((half2x2)float2x2(v.xy, v.zw) * half2(1, 0), 0, 0)": [1.5, 2.75, 0, 0],
}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with Device(cache=Cache(Path(tmp_path_factory.mktemp("cache")))) as made:
        yield made


@pytest.mark.parametrize("expression", WANTED)
def test_a_cast_converts_its_operand_and_no_more(expression: str, device: Device) -> None:
    kernel = device.compile(HEAD.replace("EXPRESSION", expression)).kernels["casts"]
    x, result = device.buffer(X.reshape(1, 4)), device.buffer(np.zeros((1, 4), np.float32))
    p = device.buffer(X[:3].reshape(1, 3))
    device.run([Dispatch(kernel, {0: x, 1: result, 2: p}, threads=(1,), threadgroup=(1,))])
    assert np.array_equal(result.array[0], np.asarray(WANTED[expression], np.float32))


def test_a_message_about_a_cast_points_at_the_users_place(device: Device) -> None:
    lines = HEAD.replace("EXPRESSION", "(int4)v + nothing").splitlines()
    with pytest.raises(
        Exception, match=rf"{lines.index('    o[0] = float4((int4)v + nothing);') + 1}:\d+: error: use of und"
    ):
        device.compile("\n".join(lines))
