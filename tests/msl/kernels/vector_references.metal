// run affine threads=30 group=10 scale=4 offset=2 x=30x4 y=30x4
#include <metal_stdlib>
using namespace metal;
kernel void affine(constant float4 &scale, constant uint2 &offset, device const float4 *x, device float4 *y,
                   uint i [[thread_position_in_grid]]) {
    y[i] = x[i] * scale + float(offset.x + 2 * offset.y);
}
