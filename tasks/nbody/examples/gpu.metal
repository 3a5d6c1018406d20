// Idea: a threadgroup reads bodies together, as many at a time as it has threads, position and mass in one float4 of threadgroup
// memory; then every thread goes over that tile, in which all lanes read the same word. So each body is read from
// device memory once a threadgroup instead of once a thread. rsqrt costs a GPU no more than a division.
#include <metal_stdlib>
using namespace metal;

constant uint TILE = 128;               // the host's threadgroup; a smaller one, at the end of the grid, makes smaller tiles

kernel void nbody_step(device const float4 *pos_in  [[buffer(0)]],
                       device       float4 *pos_out [[buffer(1)]],
                       device const float4 *vel_in  [[buffer(2)]],
                       device       float4 *vel_out [[buffer(3)]],
                       device const float  *mass    [[buffer(4)]],
                       constant     uint   &N       [[buffer(5)]],
                       constant     float  &dt      [[buffer(6)]],
                       constant     float  &eps     [[buffer(7)]],
                       constant     float  &G       [[buffer(8)]],
                       uint i     [[thread_position_in_grid]],
                       uint lane  [[thread_position_in_threadgroup]],
                       uint width [[threads_per_threadgroup]]) {
    threadgroup float4 tile[TILE];
    const uint step = min(width, TILE);
    const float3 here = i < N ? pos_in[i].xyz : float3(0.0f);
    const float eps2 = eps * eps;
    float3 a = float3(0.0f);
    for (uint first = 0; first < N; first += step) {
        const uint count = min(step, N - first);
        if (lane < count) tile[lane] = float4(pos_in[first + lane].xyz, mass[first + lane]);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint j = 0; j < count; ++j) {
            const float4 body = tile[j];
            const float3 d = body.xyz - here;
            const float inverse = rsqrt(dot(d, d) + eps2);
            a += (body.w * inverse * inverse * inverse) * d;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (i >= N) return;
    const float3 v = vel_in[i].xyz + G * dt * a;
    vel_out[i] = float4(v, 0.0f);
    pos_out[i] = float4(here + v * dt, 0.0f);
}
