// The seed kernels of tasks/gradshaf in OpenCL C.
__kernel void gradshaf_axis_reduce(__global const float *psi,
                                   __global float *psi_axis,
                                   const uint NR,
                                   const uint NZ) {
    const uint tid = get_local_id(0);
    const uint tgsize = get_local_size(0);
    __local float highest[1024];
    float top = -INFINITY;
    const uint cells = (NR - 2) * (NZ - 2);
    for (uint c = tid; c < cells; c += tgsize) {
        const uint i = 1 + c % (NR - 2);
        const uint j = 1 + c / (NR - 2);
        top = max(top, psi[j * NR + i]);
    }
    highest[tid] = top;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (tid == 0) {
        for (uint t = 1; t < tgsize; ++t) top = max(top, highest[t]);
        psi_axis[0] = top;
    }
}

__kernel void gradshaf_step(__global const float *psi_in,
                            __global float *psi_out,
                            __global const float *psi_axis,
                            const uint NR,
                            const uint NZ,
                            const float Rmin,
                            const float dR,
                            const float dZ,
                            const float p_axis,
                            const float mu0,
                            const float omega) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NR || j >= NZ) return;

    const uint c = j * NR + i;
    const float psi = psi_in[c];
    if (i == 0 || j == 0 || i == NR - 1 || j == NZ - 1) {
        psi_out[c] = psi;
        return;
    }
    const float R = Rmin + (float)(i) * dR;
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
