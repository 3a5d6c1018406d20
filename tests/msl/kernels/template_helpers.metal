// run apply threads=64 group=64 x=64 y=64
#include <metal_stdlib>
using namespace metal;
template <typename T, int N>
T power(T v) {
    T result = T(1);
    for (int k = 0; k < N; ++k) result *= v;
    return result;
}
template <typename T>
struct Sum {
    T value;
    void add(T v) { value += v; }
};
kernel void apply(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    Sum<float> sum = {0.0f};
    sum.add(power<float, 2>(x[i]));
    sum.add(power<float, 3>(x[i]));
    y[i] = sum.value;
}
