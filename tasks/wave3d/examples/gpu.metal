// Idea: a simdgroup of the host's 8 x 8 x 4 group is four rows of eight cells. Neighbours along x and y that are in the same simdgroup
// come from its lanes by simd_shuffle, without memory; only the lanes on its border read device memory, and all do
// for the two neighbours along z, which are coalesced. Groups at the grid's edges are smaller and have other lanes:
// there every neighbour is read.
#include <metal_stdlib>
using namespace metal;

kernel void wave_step(device const float *u_prev [[buffer(0)]],
                      device const float *u_curr [[buffer(1)]],
                      device       float *u_next [[buffer(2)]],
                      constant     uint  &NX     [[buffer(3)]],
                      constant     uint  &NY     [[buffer(4)]],
                      constant     uint  &NZ     [[buffer(5)]],
                      constant     float &alpha  [[buffer(6)]],
                      uint3 gid   [[thread_position_in_grid]],
                      uint3 lid   [[thread_position_in_threadgroup]],
                      uint3 group [[threads_per_threadgroup]]) {
    const uint i = gid.x, j = gid.y, k = gid.z;
    const bool inside = i < NX && j < NY && k < NZ;
    const uint plane = NX * NY;
    const uint c = inside ? k * plane + j * NX + i : 0;
    const float u = u_curr[c];
    float west = 0.0f, east = 0.0f, south = 0.0f, north = 0.0f;
    const bool whole = group.x == 8 && group.y == 8;            // for all threads of the group
    if (whole) {
        const ushort lane = ushort(lid.x + 8 * (lid.y % 4));
        west = simd_shuffle(u, ushort(lane == 0 ? 0 : lane - 1));
        east = simd_shuffle(u, ushort(lane == 31 ? 31 : lane + 1));
        south = simd_shuffle(u, ushort(lane < 8 ? lane : lane - 8));
        north = simd_shuffle(u, ushort(lane < 24 ? lane + 8 : lane));
    }
    if (!inside) return;
    if (i == 0 || j == 0 || k == 0 || i == NX - 1 || j == NY - 1 || k == NZ - 1) {
        u_next[c] = u;
        return;
    }
    if (!whole || lid.x == 0) west = u_curr[c - 1];
    if (!whole || lid.x == 7) east = u_curr[c + 1];
    if (!whole || lid.y % 4 == 0) south = u_curr[c - NX];
    if (!whole || lid.y % 4 == 3) north = u_curr[c + NX];
    const float around = (west + east) + (south + north) + (u_curr[c - plane] + u_curr[c + plane]);
    u_next[c] = fma(alpha, around, fma(2.0f - 6.0f * alpha, u, -u_prev[c]));
}
