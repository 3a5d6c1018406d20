// run shadow threads=32 group=32 x=32 N=#32 y=32
#include <metal_stdlib>
using namespace metal;
kernel void shadow(device const float *x, constant uint &N, device float *y, uint i [[thread_position_in_grid]]) {
    float sum = 0.0f;
    for (uint i = 0; i < 3; ++i) {
        float x = float(i) * 0.5f;
        uint N = i + 1;
        sum += x * float(N);
    }
    { float y = sum; sum = y + 1.0f; }
    if (i < N) y[i] = x[i] + sum;
}
