// Idea: sixteen bodies to a thread, side by side in vector lanes. A body j is read once for all sixteen, as scalars, so that nothing
// is gathered or shuffled, and the sums stay in registers; 1/sqrt is taken once a pair. Threads between multiples of
// sixteen have nothing to do. That suits a processor with a few wide cores; a GPU wants a thread a body: see gpu.metal.
#include <metal_stdlib>
using namespace metal;

constant uint LANES = 16;

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
    if (i >= N || i % LANES != 0) return;
    device const float *pos = (device const float *)pos_in;
    const float eps2 = eps * eps;
    float x[LANES], y[LANES], z[LANES], ax[LANES], ay[LANES], az[LANES];
    for (uint l = 0; l < LANES; ++l) {
        const uint at = 4 * min(i + l, N - 1);          // beyond the last body it is done again, and not stored
        x[l] = pos[at];
        y[l] = pos[at + 1];
        z[l] = pos[at + 2];
        ax[l] = ay[l] = az[l] = 0.0f;
    }
    for (uint j = 0; j < N; ++j) {
        const float px = pos[4 * j], py = pos[4 * j + 1], pz = pos[4 * j + 2], m = mass[j];
        for (uint l = 0; l < LANES; ++l) {
            const float dx = px - x[l], dy = py - y[l], dz = pz - z[l];
            const float inverse = 1.0f / sqrt(dx * dx + dy * dy + dz * dz + eps2);
            const float w = m * (inverse * inverse * inverse);
            ax[l] += w * dx;
            ay[l] += w * dy;
            az[l] += w * dz;
        }
    }
    for (uint l = 0; l < LANES && i + l < N; ++l) {
        const float3 v = vel_in[i + l].xyz + G * dt * float3(ax[l], ay[l], az[l]);
        vel_out[i + l] = float4(v, 0.0f);
        pos_out[i + l] = float4(float3(x[l], y[l], z[l]) + v * dt, 0.0f);
    }
}
