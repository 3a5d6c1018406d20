// wave3d: one leapfrog step of the wave equation on an NX x NY x NZ grid, seven-point Laplacian.
//
//   u_next = 2 u_curr - u_prev + alpha * (sum of the six neighbours - 6 u_curr)
//
// u[(k*NY + j)*NX + i], i fastest. Cells on the six faces keep their value.
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
    const uint i = gid.x;
    const uint j = gid.y;
    const uint k = gid.z;
    if (i >= NX || j >= NY || k >= NZ) return;

    const uint plane = NX * NY;
    const uint c = k * plane + j * NX + i;
    const float u = u_curr[c];
    if (i == 0 || j == 0 || k == 0 || i == NX - 1 || j == NY - 1 || k == NZ - 1) {
        u_next[c] = u;
        return;
    }
    const float around = u_curr[c - 1] + u_curr[c + 1] + u_curr[c - NX] + u_curr[c + NX]
                       + u_curr[c - plane] + u_curr[c + plane];
    u_next[c] = 2.0f * u - u_prev[c] + alpha * (around - 6.0f * u);
}
