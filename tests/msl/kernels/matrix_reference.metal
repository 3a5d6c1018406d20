// run transform threads=24 group=8 m=16 x=24x4 y=24x4
#include <metal_stdlib>
using namespace metal;
kernel void transform(constant float4x4 &m [[buffer(0)]], device const float4 *x [[buffer(1)]],
                      device float4 *y [[buffer(2)]], uint i [[thread_position_in_grid]]) {
    y[i] = m * x[i];
}
