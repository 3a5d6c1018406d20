// Idea: a thread takes four bodies at a time and turns their four positions into vectors of x, y and z, so that all
// arithmetic, reciprocal square root included, is on full vectors, with no component of a float3 idle. What N leaves
// over after fours is done one by one.
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
    const float eps2 = eps * eps;
    float4 ax = 0.0f, ay = 0.0f, az = 0.0f;
    const uint fours = N & ~3u;
    for (uint j = 0; j < fours; j += 4) {
        const float4 a = pos_in[j], b = pos_in[j + 1], c = pos_in[j + 2], d = pos_in[j + 3];
        const float4 dx = float4(a.x, b.x, c.x, d.x) - here.x;
        const float4 dy = float4(a.y, b.y, c.y, d.y) - here.y;
        const float4 dz = float4(a.z, b.z, c.z, d.z) - here.z;
        const float4 inverse = rsqrt(dx * dx + dy * dy + dz * dz + eps2);
        const float4 w = float4(mass[j], mass[j + 1], mass[j + 2], mass[j + 3]) * (inverse * inverse * inverse);
        ax += w * dx;
        ay += w * dy;
        az += w * dz;
    }
    float3 force = float3(ax.x + ax.y + ax.z + ax.w, ay.x + ay.y + ay.z + ay.w, az.x + az.y + az.z + az.w);
    for (uint j = fours; j < N; ++j) {
        const float3 d = pos_in[j].xyz - here;
        const float inverse = rsqrt(dot(d, d) + eps2);
        force += mass[j] * inverse * inverse * inverse * d;
    }
    const float3 v = vel_in[i].xyz + G * dt * force;
    vel_out[i] = float4(v, 0.0f);
    pos_out[i] = float4(here + v * dt, 0.0f);
}
