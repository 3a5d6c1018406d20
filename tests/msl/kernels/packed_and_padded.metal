// run copy threads=20 group=20 a=20x3 b=20x4 tight=20x3 wide=20x4
#include <metal_stdlib>
using namespace metal;
kernel void copy(device const packed_float3 *a, device const float3 *b, device packed_float3 *tight,
                 device float4 *wide, uint i [[thread_position_in_grid]]) {
    float3 v = float3(a[i]);
    tight[i] = packed_float3(v + b[i]);
    wide[i] = float4(v * b[i], 1.0f);
}
