"""`half4 * 0.5f`: the scalar becomes one of the vector's element type, wherever it stands."""

from collections.abc import Mapping

import numpy as np
import pytest

from metalsci.cpu_metal import CompileError, Device, Dispatch, Kernel

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNELS = """
template <typename T> T affine(T v, float s) { return v * s * 2.0f + (v - 1.5f) * (s + 0.5f); }

kernel void halves(device half4 *h [[buffer(0)]], device half *a [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    h[i] = affine(h[i], 3.0f) * 0.5;
    h[i] /= 2.0f;
    a[i] = half(affine(float(a[i]), 3.0f));
}

kernel void bytes(device uchar4 *u [[buffer(0)]], device char2 *c [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    u[i] = (u[i] + 1) & (255 - (3 << 1));
    c[i] = select(c[i], char2(7), c[i] == 0) * -2;
    if (any(c[i] < -100)) c[i] -= 1;
}

kernel void packed(device packed_float3 *p [[buffer(0)]], constant packed_half3 *q [[buffer(1)]],
                   uint i [[thread_position_in_grid]]) {
    packed_float3 v = p[i];
    v[1] = 2;
    v[i % 3] *= 3;
    v.yz = v.xy + 1;
    p[i] = v;
    p[i][2] += q[0][1];
}
"""


@pytest.fixture(scope="module")
def kernels(device: Device) -> Mapping[str, Kernel]:
    return device.compile(HEADER + KERNELS).kernels


def test_halves(device: Device, kernels: Mapping[str, Kernel]) -> None:
    h = np.linspace(-4, 4, 32).astype(np.float16).reshape(8, 4)
    a = np.linspace(-2, 2, 8).astype(np.float16)
    bound = device.buffer(h), device.buffer(a)
    device.run([Dispatch(kernels["halves"], dict(enumerate(bound)), (8,), (8,))])
    f = h.astype(np.float64)
    np.testing.assert_allclose(bound[0].array, (f * 6 + (f - 1.5) * 3.5) / 4, rtol=4e-3, atol=4e-3)
    f = a.astype(np.float64)
    np.testing.assert_allclose(bound[1].array, f * 6 + (f - 1.5) * 3.5, rtol=1e-3, atol=1e-3)


def test_bytes(device: Device, kernels: Mapping[str, Kernel]) -> None:
    u, c = np.arange(32, dtype=np.uint8).reshape(8, 4) * 8, np.arange(-8, 8, dtype=np.int8).reshape(8, 2) * 8
    bound = device.buffer(u), device.buffer(c)
    device.run([Dispatch(kernels["bytes"], dict(enumerate(bound)), (8,), (8,))])
    np.testing.assert_array_equal(bound[0].array, (u + np.uint8(1)) & np.uint8(249))
    want = np.where(c == 0, 7, c).astype(np.int64) * -2
    want = want.astype(np.int8)
    want[(want < -100).any(axis=1)] -= 1
    np.testing.assert_array_equal(bound[1].array, want)


def test_elements_of_packed_vectors_are_assigned(device: Device, kernels: Mapping[str, Kernel]) -> None:
    p = np.arange(12, dtype=np.float32).reshape(4, 3)
    bound = device.buffer(p), np.array([1, 0.5, 2], np.float16)
    device.run([Dispatch(kernels["packed"], dict(enumerate(bound)), (4,), (4,))])
    want = p.copy()
    want[:, 1] = 2
    want[np.arange(4), np.arange(4) % 3] *= 3
    want[:, 1:] = want[:, :2] + 1
    want[:, 2] += 0.5
    np.testing.assert_array_equal(bound[0].array, want)


def test_what_else_is_wrong_is_told_at_its_place(device: Device) -> None:
    statements = "  h[0] = h[0] * 0.5f * 2.0f + oops; h[1] = h[1] * 2.0f + oops2;"
    body = f"kernel void k(device half4 *h [[buffer(0)]]) {{\n{statements}\n}}\n"
    with pytest.raises(CompileError) as error:
        device.compile(HEADER + body)
    places = [(d.line, d.column) for d in error.value.diagnostics]
    assert places == [(4, 1 + statements.index("oops")), (4, 1 + statements.index("oops2"))]
