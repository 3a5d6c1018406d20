// Idea: all loads of a cell are under way together. Nothing depends on a load or a branch before the last one is sent:
// cells on the faces read themselves in place of a neighbour and choose at the end. A row's neighbours come from the
// core's cache, where tiles in threadgroup memory or shuffles would cost more than they save.
#include <metal_stdlib>
using namespace metal;

kernel void wave_step(device const float *u_prev [[buffer(0)]],
                      device const float *u_curr [[buffer(1)]],
                      device       float *u_next [[buffer(2)]],
                      constant     uint  &NX     [[buffer(3)]],
                      constant     uint  &NY     [[buffer(4)]],
                      constant     uint  &NZ     [[buffer(5)]],
                      constant     float &alpha  [[buffer(6)]],
                      uint3 gid [[thread_position_in_grid]]) {
    const uint i = gid.x, j = gid.y, k = gid.z;
    if (i >= NX || j >= NY || k >= NZ) return;
    const uint plane = NX * NY;
    const uint c = k * plane + j * NX + i;
    const bool inside = (i - 1 < NX - 2) & (j - 1 < NY - 2) & (k - 1 < NZ - 2);
    const uint x = inside ? 1 : 0, y = inside ? NX : 0, z = inside ? plane : 0;
    const float u = u_curr[c], before = u_prev[c];
    const float around = (u_curr[c - x] + u_curr[c + x]) + (u_curr[c - y] + u_curr[c + y])
                       + (u_curr[c - z] + u_curr[c + z]);
    const float next = fma(alpha, around, fma(2.0f - 6.0f * alpha, u, -before));
    u_next[c] = inside ? next : u;
}
