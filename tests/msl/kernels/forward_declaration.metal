// run forward threads=25 group=25 x=25 y=25
#include <metal_stdlib>
using namespace metal;
#define BIAS 1.5f
float biased(float v);
template <typename T> T halved(T v);
kernel void forward(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = biased(x[i]) + halved(x[i]) + BIAS;
}
#undef BIAS
#define BIAS 100.0f
float biased(float v) { return v + BIAS; }
template <typename T> T halved(T v) { return v / T(2); }
