// heat2d: one explicit step of the heat equation on an NX x NY grid, five-point stencil.
//
//   u'(i,j) = u + alpha * (u(i-1,j) + u(i+1,j) + u(i,j-1) + u(i,j+1) - 4 u)
//
// Row-major, i fastest: u[j*NX + i]. Cells on the edge keep their value.
#include <metal_stdlib>
using namespace metal;

kernel void heat_step(device const float *u_in  [[buffer(0)]],
                      device       float *u_out [[buffer(1)]],
                      constant     uint  &NX    [[buffer(2)]],
                      constant     uint  &NY    [[buffer(3)]],
                      constant     float &alpha [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NX || j >= NY) return;

    const uint c = j * NX + i;
    const float u = u_in[c];
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) {
        u_out[c] = u;
        return;
    }
    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);
}
