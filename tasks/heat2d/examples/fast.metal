// Idea: little but arithmetic can be saved: one comparison an axis tells the edge, because i - 1 wraps around for i = 0, and the
// update is two multiply-adds, with 1 - 4 alpha for the cell and alpha for its neighbours.
#include <metal_stdlib>
using namespace metal;

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    if (gid.x >= NX || gid.y >= NY) return;
    const uint c = gid.y * NX + gid.x;
    device const float *u = u_in + c;
    if (gid.x - 1 >= NX - 2 || gid.y - 1 >= NY - 2) {
        u_out[c] = u[0];
        return;
    }
    const float around = (u[-1] + u[1]) + (u[-int(NX)] + u[NX]);
    u_out[c] = fma(alpha, around, fma(-4.0f * alpha, u[0], u[0]));
}
