"""Names of Metal's headers that its specification has not, and public code has."""

from pathlib import Path

import numpy as np

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache

SOURCE = """#include <metal_stdlib>
using namespace metal;
template <typename T> struct indexed { T value; uint index; };
template <typename T> struct _numeric_limits_impl<indexed<T>> {
    static constexpr indexed<T> lowest() { return indexed<T>{numeric_limits<T>::lowest(), 7}; }
};
template <typename T> constexpr constant bool is_simd = __is_valid_simdgroup_type<T>::value;
static_assert(is_simd<float> && is_simd<half4> && is_simd<uchar2> && is_simd<int>, "a simdgroup exchanges them");
static_assert(!is_simd<bool> && !is_simd<indexed<float>> && !is_simd<long>, "and not these");
#if !defined(__HAVE_BFLOAT__)
#error "there is bfloat"
#endif
kernel void names(device float *o) {
    const indexed<float> least = numeric_limits<indexed<float>>::lowest();
    o[0] = least.value;
    o[1] = least.index + vec_elements<half3>::value * 10 + vec_elements<int>::value * 100;
}
"""


def test_they_are_there(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        o = device.buffer(np.zeros(2, np.float32))
        device.run([Dispatch(device.compile(SOURCE).kernels["names"], {0: o}, threads=(1,), threadgroup=(1,))])
    assert np.array_equal(o.array, [float(np.finfo(np.float32).min), 137])
