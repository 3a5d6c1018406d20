// Idea: two multiply-adds a cell, and no question whether the thread is inside the grid, since the host dispatches NX x NY
// threads. What is left is the memory's time, which the seed kernel reaches too (1.0 to 1.1 times). Rows of several cells a
// thread, which save loads, and ends that are selected away instead of branched around were slower.
#include <metal_stdlib>
using namespace metal;

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x, j = gid.y;
    const uint c = j * NX + i;
    const float u = u_in[c];
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) {
        u_out[c] = u;
        return;
    }
    const float around = (u_in[c - 1] + u_in[c + 1]) + (u_in[c - NX] + u_in[c + NX]);
    u_out[c] = fma(alpha, around, fma(-4.0f * alpha, u, u));
}
