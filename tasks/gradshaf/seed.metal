// gradshaf: one outer step of a Grad-Shafranov equilibrium solver on an NR x NZ grid, in two kernels.
//
//   gradshaf_axis_reduce   psi_axis[0] = max of psi over the interior (one threadgroup)
//   gradshaf_step          one Jacobi sweep of  Delta* psi = -mu0 R J,  J = R p_axis 4 psi_n (1 - psi_n),
//                          psi_n = psi / psi_axis, J = 0 where psi_n is outside (0, 1)
//
// psi[j*NR + i], i along R = Rmin + i dR. Edge cells keep their value.
#include <metal_stdlib>
using namespace metal;

kernel void gradshaf_axis_reduce(device const float *psi      [[buffer(0)]],
                                 device       float *psi_axis [[buffer(1)]],
                                 constant     uint  &NR       [[buffer(2)]],
                                 constant     uint  &NZ       [[buffer(3)]],
                                 uint tid    [[thread_position_in_threadgroup]],
                                 uint tgsize [[threads_per_threadgroup]]) {
    threadgroup float highest[1024];
    float top = -INFINITY;
    const uint cells = (NR - 2) * (NZ - 2);
    for (uint c = tid; c < cells; c += tgsize) {
        const uint i = 1 + c % (NR - 2);
        const uint j = 1 + c / (NR - 2);
        top = max(top, psi[j * NR + i]);
    }
    highest[tid] = top;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid == 0) {
        for (uint t = 1; t < tgsize; ++t) top = max(top, highest[t]);
        psi_axis[0] = top;
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
    if (i >= NR || j >= NZ) return;

    const uint c = j * NR + i;
    const float psi = psi_in[c];
    if (i == 0 || j == 0 || i == NR - 1 || j == NZ - 1) {
        psi_out[c] = psi;
        return;
    }
    const float R = Rmin + float(i) * dR;
    const float psi_n = psi / psi_axis[0];
    const float J = psi_n > 0.0f && psi_n < 1.0f ? R * p_axis * 4.0f * psi_n * (1.0f - psi_n) : 0.0f;

    const float a_W = 1.0f / (dR * dR) + 1.0f / (2.0f * R * dR);
    const float a_E = 1.0f / (dR * dR) - 1.0f / (2.0f * R * dR);
    const float a_N = 1.0f / (dZ * dZ);
    const float a_C = -2.0f / (dR * dR) - 2.0f / (dZ * dZ);
    const float delta_star = a_W * psi_in[c - 1] + a_E * psi_in[c + 1]
                           + a_N * (psi_in[c - NR] + psi_in[c + NR]) + a_C * psi;
    psi_out[c] = psi + omega * (-mu0 * R * J - delta_star) / a_C;
}
