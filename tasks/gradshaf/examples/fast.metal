// Idea: the stencil divided by its centre: psi' is a weighted sum of the four neighbours and the source, whose weights need one
// division a cell (by R) instead of six. Only the row decides where a thread branches, and the cells at its two ends are
// selected away, so that nothing is masked. A thread of the reduction reads whole rows instead of scattered cells.
#include <metal_stdlib>
using namespace metal;

// Floats as integers of the same order, whose maximum needs no rule for NaN and is taken for many at once.
static int ordered(float x) {
    const int bits = as_type<int>(x);
    return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

kernel void gradshaf_axis_reduce(device const float *psi      [[buffer(0)]],
                                 device       float *psi_axis [[buffer(1)]],
                                 constant     uint  &NR       [[buffer(2)]],
                                 constant     uint  &NZ       [[buffer(3)]],
                                 uint tid    [[thread_position_in_threadgroup]],
                                 uint tgsize [[threads_per_threadgroup]]) {
    threadgroup int highest[1024];
    int top = INT_MIN;
    for (uint j = 1 + tid; j < NZ - 1; j += tgsize) {
        device const float *row = psi + j * NR;
        for (uint i = 1; i < NR - 1; ++i) top = max(top, ordered(row[i]));
    }
    highest[tid] = top;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid == 0) {
        for (uint t = 1; t < tgsize; ++t) top = max(top, highest[t]);
        psi_axis[0] = as_type<float>(top ^ ((top >> 31) & 0x7FFFFFFF));
    }
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

    const uint c = j * NR + i;
    const float psi = psi_in[c];
    if (j == 0 || j == NZ - 1) {
        psi_out[c] = psi;
        return;
    }
    const float r2 = 1.0f / (dR * dR);
    const float z2 = 1.0f / (dZ * dZ);
    const float scale = 0.5f * omega / (r2 + z2);       // -omega / a_C
    const float R = fma(float(i), dR, Rmin);
    const float tilt = 0.5f / (R * dR);
    const float n = psi * (1.0f / psi_axis[0]);
    const float J = n > 0.0f && n < 1.0f ? 4.0f * n * (1.0f - n) : 0.0f;
    const float west = psi_in[c - 1];
    const float east = psi_in[c + 1];
    float sum = mu0 * p_axis * R * R * J;
    sum = fma(r2, west + east, sum);
    sum = fma(tilt, west - east, sum);
    sum = fma(z2, psi_in[c - NR] + psi_in[c + NR], sum);
    psi_out[c] = i == 0 || i == NR - 1 ? psi : fma(scale, sum, (1.0f - omega) * psi);
}
