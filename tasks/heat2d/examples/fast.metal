// Idea: the update as two multiply-adds, with 1 - 4 alpha for the cell and alpha for its neighbours, and a selection instead of
// a branch: every thread loads the same five places, those off the grid clamped to it.
#include <metal_stdlib>
using namespace metal;

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NX || j >= NY) return;
    const uint row = j * NX;
    const uint c = row + i;
    const bool top = j == 0 || j == NY - 1;
    const uint up = top ? row : row - NX;
    const uint down = top ? row : row + NX;
    const float u = u_in[c];
    if (i == 0 || i == NX - 1 || top) {
        u_out[c] = u;
        return;
    }
    const float around = (u_in[c - 1] + u_in[c + 1]) + (u_in[up + i] + u_in[down + i]);
    u_out[c] = fma(alpha, around, fma(-4.0f * alpha, u, u));
}
