// run drift threads=50 group=16 pos_in=50x4 pos_out=50x4 vel=50x4 dt=#0.5
#include <metal_stdlib>
using namespace metal;
kernel void drift(device const float4 *pos_in [[buffer(0)]], device float4 *pos_out [[buffer(1)]],
                  device const float4 *vel [[buffer(2)]], constant float &dt [[buffer(3)]],
                  uint i [[thread_position_in_grid]]) {
    float4 r = pos_in[i];
    r.xyz += dt * vel[i].zyx;
    pos_out[i] = r;
}
