"""Comparisons of vectors give vectors of bool, which are 1 as numbers; Clang's are integers, -1."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.legalize import rewrite
from metalsci.msl.text.lexer import SourceText

X = np.array([1.5, 2.75, -3.5, 4.25], np.float32)
SOURCE = """#include <metal_stdlib>
using namespace metal;
#define MASK(a, b) float4((a) > (b))
template <typename To> To mask(float4 v) { return To(v > 2.0f); }
template <int N> float4 times(float4 v) { return v * N; }
struct Both { float4 first; };
kernel void compared(device const float4 *x, device float4 *o) {
    float4 v = x[0], w = v.wzyx;
    Both both = {v};
    thread const Both *at = &both;
    auto large = v > 2.0f;
    float4 above(v > 2.0f);
    o[0] = float4(EXPRESSION);
}
"""
ABOVE = (X > 2).astype(np.float32)
WANTED = {
    "v > 2.0f": ABOVE,
    "(v > 2.0f)": ABOVE,
    "int4(v > 2.0f) + 1": ABOVE + 1,
    "half4(v <= w)": X[::-1] >= X,
    "uint4(v == w || v != v)": [0] * 4,
    "(short4)(v > 2.0f)": ABOVE,
    "static_cast<int4>(v > 2.0f)": ABOVE,
    "int4(!(v > 2.0f))": 1 - ABOVE,
    "!v": [0] * 4,
    "v > 0.0f && v < 2.0f": [1, 0, 0, 0],
    "w * float4(times<2>(v) > times<3>(w))": X[::-1] * (3 * X[::-1] < 2 * X),
    "at->first > 2.0f": ABOVE,
    "float4(v > 2.0f) * w - float4(v < 0.0f)": ABOVE * X[::-1] - (X < 0),
    "(v > 2.0f).y, (v > 2.0f)[1], float2((v > 2.0f).zw)": [1, 1, 0, 1],
    "float4(large)": ABOVE,
    "above": ABOVE,
    "MASK(v, 2.0f)": ABOVE,
    "mask<int4>(v)": ABOVE,
    "mask<float4>(v)": ABOVE,
    "any(v > 2.0f) ? v : w": X,
    "int4(v) << 1 >> 1": np.trunc(X),
    "int4(int4(v) >> 31)": [0, 0, -1, 0],
    "int4(int4(v) & 1) == 1": [1, 0, 1, 0],
    "(v > 2.0f) ? v : -v": np.where(X > 2, X, -X),
    "select(v, -v, v > 2.0f)": np.where(X > 2, -X, X),
    "float2(v.x > 2.0f, v.y > 2.0f), 0, 0": [0, 1, 0, 0],
}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with Device(cache=Cache(Path(tmp_path_factory.mktemp("cache")))) as made:
        yield made


@pytest.mark.parametrize("expression", WANTED)
def test_what_holds_is_one(expression: str, device: Device) -> None:
    kernel = device.compile(SOURCE.replace("EXPRESSION", expression)).kernels["compared"]
    x, result = device.buffer(X.reshape(1, 4)), device.buffer(np.zeros((1, 4), np.float32))
    device.run([Dispatch(kernel, {0: x, 1: result}, threads=(1,), threadgroup=(1,))])
    assert np.array_equal(result.array[0], np.asarray(WANTED[expression], np.float32))


@pytest.mark.parametrize(
    "argument",
    [
        "a << 2",
        "a >> 2",
        "p->x",
        "a = b > c",
        "a > b ? c : d",
        "f<3>(a)",
        "f<int, 2>(a)",
        "a > b & c",
        "a",
        "-a",
        "!a + b",
    ],
)
def test_what_is_no_comparison_is_left_alone(argument: str) -> None:
    assert b"_truth" not in rewrite(SourceText(b"float4 x = float4(%b);" % argument.encode())).text
