// Idea: the maximum is taken along rows by all 256 threads, each simdgroup reading a row side by side, and put together by simd_max and
// eight words of threadgroup memory: no thread walks over 256 of them. The stencil is divided by its centre, so that a
// cell needs one division that depends on it (by R) instead of six, and its reads are in rows of memory.
#include <metal_stdlib>
using namespace metal;

kernel void gradshaf_axis_reduce(device const float *psi      [[buffer(0)]],
                                 device       float *psi_axis [[buffer(1)]],
                                 constant     uint  &NR       [[buffer(2)]],
                                 constant     uint  &NZ       [[buffer(3)]],
                                 uint tid    [[thread_position_in_threadgroup]],
                                 uint tgsize [[threads_per_threadgroup]]) {
    threadgroup float highest[32];
    const uint lane = tid % 32, simdgroups = (tgsize + 31) / 32;
    const uint lanes = min(32u, tgsize - (tid - lane));
    float top = -INFINITY;
    for (uint j = 1 + tid / 32; j < NZ - 1; j += simdgroups) {
        for (uint i = 1 + lane; i < NR - 1; i += lanes) top = max(top, psi[j * NR + i]);
    }
    top = simd_max(top);
    if (lane == 0) highest[tid / 32] = top;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid > 0) return;
    for (uint s = 1; s < simdgroups; ++s) top = max(top, highest[s]);
    psi_axis[0] = top;
}

kernel void gradshaf_step(device const float *psi_in   [[buffer(0)]],
                          device       float *psi_out  [[buffer(1)]],
                          device const float *psi_axis [[buffer(2)]],
                          constant     uint  &NR       [[buffer(3)]],
                          constant     uint  &NZ       [[buffer(4)]],
                          constant     float &Rmin     [[buffer(5)]],
                          constant     float &dR       [[buffer(6)]],
                          constant     float &dZ       [[buffer(7)]],
                          constant     float &p_axis   [[buffer(8)]],
                          constant     float &mu0      [[buffer(9)]],
                          constant     float &omega    [[buffer(10)]],
                          uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NR || j >= NZ) return;
    const uint c = j * NR + i;
    const float psi = psi_in[c];
    if (i == 0 || j == 0 || i == NR - 1 || j == NZ - 1) {
        psi_out[c] = psi;
        return;
    }
    const float r2 = 1.0f / (dR * dR);
    const float z2 = 1.0f / (dZ * dZ);
    const float R = fma(float(i), dR, Rmin);
    const float n = psi / psi_axis[0];
    const float J = n > 0.0f && n < 1.0f ? 4.0f * n * (1.0f - n) : 0.0f;
    const float west = psi_in[c - 1];
    const float east = psi_in[c + 1];
    float sum = mu0 * p_axis * R * R * J;
    sum = fma(r2, west + east, sum);
    sum = fma(0.5f / (R * dR), west - east, sum);
    sum = fma(z2, psi_in[c - NR] + psi_in[c + NR], sum);
    psi_out[c] = fma(0.5f * omega / (r2 + z2), sum, (1.0f - omega) * psi);
}
