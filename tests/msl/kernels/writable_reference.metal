// run total threads=1 group=1 x=16 N=#16 sum=1
#include <metal_stdlib>
using namespace metal;
kernel void total(device const float *x, constant uint &N, device float &sum, uint i [[thread_position_in_grid]]) {
    float s = 0.0f;
    for (uint k = 0; k < N; ++k) s += x[k];
    if (i == 0) sum = s;
}
