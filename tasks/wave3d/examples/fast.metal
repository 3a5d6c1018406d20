// Idea: nothing is masked. The host dispatches NX x NY x NZ threads, so that no guard is needed; only row and plane decide where a
// thread branches, and they are the same for all threads of a row; the cells at its two ends are computed like the
// others and selected away. The update is two multiply-adds.
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
    const uint plane = NX * NY;
    const uint c = k * plane + j * NX + i;
    device const float *u = u_curr + c;
    if (j == 0 || k == 0 || j == NY - 1 || k == NZ - 1) {
        u_next[c] = u[0];
        return;
    }
    const float around = (u[-1] + u[1]) + (u[-int(NX)] + u[NX]) + (u[-int(plane)] + u[plane]);
    const float inner = fma(alpha, around, fma(2.0f - 6.0f * alpha, u[0], -u_prev[c]));
    u_next[c] = (i == 0 || i == NX - 1) ? u[0] : inner;
}
