// run scaled_float threads=32 group=32 x=32 y=32
// run scaled_int threads=32 group=32 x=32:-9:9 y=32
#include <metal_stdlib>
using namespace metal;
template <typename T, int N>
[[kernel]] void scaled(device const T *x [[buffer(0)]], device T *y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    T values[N];
    for (int k = 0; k < N; ++k) values[k] = x[i] * T(k);
    y[i] = values[N - 1];
}
template [[host_name("scaled_float")]] [[kernel]] void scaled<float, 3>(device const float *, device float *, uint);
template [[host_name("scaled_int")]] [[kernel]] decltype(scaled<int, 5>) scaled<int, 5>;
