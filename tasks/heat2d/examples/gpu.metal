// Idea: all loads of a cell are under way together. Nothing depends on a load or a branch before the last one is sent:
// cells on the edge read themselves in place of a neighbour and choose at the end. Rows are read as they lie, and their
// neighbours come from the core's cache: a tile in threadgroup memory would cost a barrier and more waits than it saves.
#include <metal_stdlib>
using namespace metal;

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x, j = gid.y;
    if (i >= NX || j >= NY) return;
    const uint c = j * NX + i;
    const bool inside = (i - 1 < NX - 2) & (j - 1 < NY - 2);
    const uint x = inside ? 1 : 0, y = inside ? NX : 0;
    const float u = u_in[c];
    const float around = (u_in[c - x] + u_in[c + x]) + (u_in[c - y] + u_in[c + y]);
    const float next = fma(alpha, around, fma(-4.0f * alpha, u, u));
    u_out[c] = inside ? next : u;
}
