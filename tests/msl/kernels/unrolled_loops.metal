// run dot4 threads=16 group=16 a=64 b=64 out=16
#include <metal_stdlib>
using namespace metal;
kernel void dot4(device const float *a, device const float *b, device float *out, uint i [[thread_position_in_grid]]) {
    float sum = 0.0f;
    #pragma unroll
    for (uint k = 0; k < 4; ++k) sum = fma(a[4 * i + k], b[4 * i + k], sum);
    switch (i & 3u) {
        case 0: out[i] = sum; break;
        case 1: out[i] = -sum; return;
        default: { out[i] = 2.0f * sum; }
    }
}
