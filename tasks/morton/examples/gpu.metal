// Idea: eight neighbours in Morton order are a cube, and along each axis one of a cell's two neighbours is in its own cube: 1, 2 or 4
// lanes away in the simdgroup, whence simd_shuffle_xor brings it without memory. The other one is found by arithmetic on
// dilated integers, without decoding the index, and is close in memory, since a group of 256 is a block of 8 x 8 x 4.
#include <metal_stdlib>
using namespace metal;

// The neighbour outside of the cube along the axis with these bits: forwards where the cell is the upper one of its pair.
static uint outside(uint tid, uint axis, bool upper) {
    const uint own = tid & axis;
    return (upper ? ((tid | ~axis) + 1) & axis : (own - 1) & axis) | (tid & ~axis);
}

kernel void morton_stencil(device const float *u_in  [[buffer(0)]],
                           device       float *u_out [[buffer(1)]],
                           constant     uint  &N     [[buffer(2)]],
                           constant     uint  &logN  [[buffer(3)]],
                           constant     float &alpha [[buffer(4)]],
                           uint tid [[thread_position_in_grid]]) {
    const uint cells = 1u << (3 * logN);
    const bool inside = tid < cells;
    const uint X = 0x49249249u & (cells - 1), Y = X << 1, Z = X << 2;
    const float u = u_in[inside ? tid : 0];
    if (logN == 0) {                    // one cell: there is no cube
        if (inside) u_out[tid] = u;
        return;
    }
    const float pairs = simd_shuffle_xor(u, ushort(1)) + simd_shuffle_xor(u, ushort(2)) + simd_shuffle_xor(u, ushort(4));
    if (!inside) return;
    const uint x = tid & X, y = tid & Y, z = tid & Z;
    if (x == 0 || y == 0 || z == 0 || x == X || y == Y || z == Z) {
        u_out[tid] = u;
        return;
    }
    const float others = u_in[outside(tid, X, (tid & 1) != 0)] + u_in[outside(tid, Y, (tid & 2) != 0)]
                       + u_in[outside(tid, Z, (tid & 4) != 0)];
    u_out[tid] = fma(alpha, pairs + others, (1.0f - 6.0f * alpha) * u);
}
