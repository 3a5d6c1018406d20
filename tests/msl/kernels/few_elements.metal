// run few threads=4 group=4 x=4 w=3 p=1x4 y=4
#include <metal_stdlib>
using namespace metal;
kernel void few(device const float *x, constant float *w, device const float4 *p, device float *y,
                uint i [[thread_position_in_grid]]) {
    y[i] = x[i] * w[i % 3u] + p[0].y;
}
