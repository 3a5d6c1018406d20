// morton: one explicit step of the heat equation on an N^3 grid that is stored in Morton order (Z-curve).
//
//   u' = u + alpha * (sum of the six neighbours - 6 u)
//
// Bit b of x, y and z stands at bits 3b, 3b + 1 and 3b + 2 of a cell's index. Cells on the six faces keep their value.
#include <metal_stdlib>
using namespace metal;

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

kernel void morton_stencil(device const float *u_in  [[buffer(0)]],
                           device       float *u_out [[buffer(1)]],
                           constant     uint  &N     [[buffer(2)]],
                           constant     uint  &logN  [[buffer(3)]],
                           constant     float &alpha [[buffer(4)]],
                           uint tid [[thread_position_in_grid]]) {
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
