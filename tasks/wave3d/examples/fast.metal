// Idea: constants folded: u_next = (2 - 6 alpha) u + alpha * around - u_prev is two multiply-adds.
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
    const uint plane = NX * NY;
    const uint c = gid.z * plane + gid.y * NX + gid.x;
    if (gid.x >= NX || gid.y >= NY || gid.z >= NZ) return;
    // One comparison an axis: i - 1 wraps around for i = 0.
    if (gid.x - 1 >= NX - 2 || gid.y - 1 >= NY - 2 || gid.z - 1 >= NZ - 2) {
        u_next[c] = u_curr[c];
        return;
    }
    device const float *u = u_curr + c;
    const float around = (u[-1] + u[1]) + (u[-int(NX)] + u[NX]) + (u[-int(plane)] + u[plane]);
    u_next[c] = fma(alpha, around, fma(2.0f - 6.0f * alpha, u[0], -u_prev[c]));
}
