// Idea: a threadgroup reads its 16 x 16 cells and their halo into threadgroup memory, each thread its own cell and those on the
// group's sides one more; then all five values come from there. A row of the tile is a row of device memory, so that
// reads are coalesced, and each cell is read from device memory once a group instead of up to five times.
#include <metal_stdlib>
using namespace metal;

constant uint SIDE = 16;                // the host's threadgroup is SIDE x SIDE, less at the grid's edges

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid   [[thread_position_in_grid]],
                      uint2 lid   [[thread_position_in_threadgroup]],
                      uint2 group [[threads_per_threadgroup]]) {
    threadgroup float tile[SIDE + 2][SIDE + 2];
    const uint i = gid.x, j = gid.y, x = lid.x + 1, y = lid.y + 1;
    const bool inside = i < NX && j < NY;
    const uint c = j * NX + i;
    if (inside) {
        tile[y][x] = u_in[c];
        if (lid.x == 0 && i > 0) tile[y][0] = u_in[c - 1];
        if (lid.x == group.x - 1 && i + 1 < NX) tile[y][x + 1] = u_in[c + 1];
        if (lid.y == 0 && j > 0) tile[0][x] = u_in[c - NX];
        if (lid.y == group.y - 1 && j + 1 < NY) tile[y + 1][x] = u_in[c + NX];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (!inside) return;
    const float u = tile[y][x];
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) {
        u_out[c] = u;
        return;
    }
    const float around = (tile[y][x - 1] + tile[y][x + 1]) + (tile[y - 1][x] + tile[y + 1][x]);
    u_out[c] = fma(alpha, around, fma(-4.0f * alpha, u, u));
}
