// Idea: nothing is masked. The host dispatches NX x NY threads, so that no guard is needed; only the row decides where a thread
// branches, and it is the same for all threads of a row; the cells at its two ends are computed like the others and
// selected away. A store under a mask costs some processors a dozen cycles, more than all the rest of the update.
#include <metal_stdlib>
using namespace metal;

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x, j = gid.y;
    device const float *u = u_in + j * NX;
    device float *out = u_out + j * NX;
    if (j == 0 || j == NY - 1) {
        out[i] = u[i];
        return;
    }
    const int x = i;
    device const float *up = u - NX;
    device const float *down = u + NX;
    const float around = (u[x - 1] + u[x + 1]) + (up[x] + down[x]);
    const float inner = fma(alpha, around, fma(-4.0f * alpha, u[x], u[x]));
    out[x] = (i == 0 || i == NX - 1) ? u[x] : inner;
}
