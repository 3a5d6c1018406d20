// The seed kernels of tasks/morton in OpenCL C.
static uint compact(uint m, uint logN) {    // every third bit, from bit 0
    uint x = 0;
    for (uint b = 0; b < logN; ++b) x |= ((m >> (3 * b)) & 1u) << b;
    return x;
}

static uint encode(uint x, uint y, uint z, uint logN) {
    uint m = 0;
    for (uint b = 0; b < logN; ++b) {
        m |= ((x >> b) & 1u) << (3 * b);
        m |= ((y >> b) & 1u) << (3 * b + 1);
        m |= ((z >> b) & 1u) << (3 * b + 2);
    }
    return m;
}

__kernel void morton_stencil(__global const float *u_in,
                             __global float *u_out,
                             const uint N,
                             const uint logN,
                             const float alpha) {
    const uint tid = get_global_id(0);
    if (tid >= N * N * N) return;
    const uint x = compact(tid, logN);
    const uint y = compact(tid >> 1, logN);
    const uint z = compact(tid >> 2, logN);

    const float u = u_in[tid];
    if (x == 0 || y == 0 || z == 0 || x == N - 1 || y == N - 1 || z == N - 1) {
        u_out[tid] = u;
        return;
    }
    const float around = u_in[encode(x - 1, y, z, logN)] + u_in[encode(x + 1, y, z, logN)]
                       + u_in[encode(x, y - 1, z, logN)] + u_in[encode(x, y + 1, z, logN)]
                       + u_in[encode(x, y, z - 1, logN)] + u_in[encode(x, y, z + 1, logN)];
    u_out[tid] = u + alpha * (around - 6.0f * u);
}
