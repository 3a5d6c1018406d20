// run walk threads=16 group=4 x=64 y=64
#include <metal_stdlib>
using namespace metal;
kernel void walk(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    x += 4u * i;
    y += 4u * i;
    for (int k = 0; k < 4; ++k) *y++ = *x++ + float(k);
}
