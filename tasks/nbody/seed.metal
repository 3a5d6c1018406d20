// nbody: one step of N gravitating bodies, every pair, softened; velocity first, then position.
//
//   a_i = G sum_j m_j (r_j - r_i) / (|r_j - r_i|^2 + eps^2)^(3/2)
//   v_i += a_i dt,   r_i += v_i dt
//
// Positions and velocities are float4; .w is padding and stays zero. The pair (i, i) adds nothing.
#include <metal_stdlib>
using namespace metal;

kernel void nbody_step(device const float4 *pos_in  [[buffer(0)]],
                       device       float4 *pos_out [[buffer(1)]],
                       device const float4 *vel_in  [[buffer(2)]],
                       device       float4 *vel_out [[buffer(3)]],
                       device const float  *mass    [[buffer(4)]],
                       constant     uint   &N       [[buffer(5)]],
                       constant     float  &dt      [[buffer(6)]],
                       constant     float  &eps     [[buffer(7)]],
                       constant     float  &G       [[buffer(8)]],
                       uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    const float3 here = pos_in[i].xyz;
    float3 a = float3(0.0f);
    for (uint j = 0; j < N; ++j) {
        const float3 d = pos_in[j].xyz - here;
        const float r2 = dot(d, d) + eps * eps;
        a += mass[j] * d / (r2 * sqrt(r2));
    }
    const float3 v = vel_in[i].xyz + G * a * dt;
    vel_out[i] = float4(v, 0.0f);
    pos_out[i] = float4(here + v * dt, 0.0f);
}
