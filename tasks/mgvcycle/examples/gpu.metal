// Idea: one thread a point, neighbours in a row next to each other in memory, and as few reads and divisions as the stencils allow.
// Restriction after the operator is one stencil: weighting 3 x 3 residuals of five points each is 45 reads of u; the
// composition's weights are 8 at the centre, 2 next to it, -2 at distance two, -1 a knight's move away and 0 on the
// diagonals: 17 reads. The grids are small and come from the caches; what counts is to keep all threads independent.
#include <metal_stdlib>
using namespace metal;

kernel void mg_smooth(device const float *u_in  [[buffer(0)]],
                      device const float *f     [[buffer(1)]],
                      device       float *u_out [[buffer(2)]],
                      constant     uint  &n     [[buffer(3)]],
                      constant     float &omega [[buffer(4)]],
                      uint2 gid [[thread_position_in_grid]]) {
    if (gid.x > n || gid.y > n) return;
    const uint row = n + 1;
    const uint c = gid.y * row + gid.x;
    const float u = u_in[c];
    if (gid.x == 0 || gid.y == 0 || gid.x == n || gid.y == n) {
        u_out[c] = u;
        return;
    }
    const float quarter = 0.25f * omega;
    const float around = (u_in[c - 1] + u_in[c + 1]) + (u_in[c - row] + u_in[c + row]);
    u_out[c] = fma(quarter, fma(f[c], 1.0f / (float(n) * float(n)), around), (1.0f - omega) * u);
}

kernel void mg_restrict(device const float *u   [[buffer(0)]],
                        device const float *f   [[buffer(1)]],
                        device       float *f_c [[buffer(2)]],
                        constant     uint  &n   [[buffer(3)]],
                        uint2 gid [[thread_position_in_grid]]) {
    const uint n_c = n / 2;
    if (gid.x > n_c || gid.y > n_c) return;
    const uint c = gid.y * (n_c + 1) + gid.x;
    if (gid.x == 0 || gid.y == 0 || gid.x == n_c || gid.y == n_c) {
        f_c[c] = 0.0f;
        return;
    }
    const int row = n + 1;
    device const float *v = u + 2 * gid.y * row + 2 * gid.x;
    device const float *g = f + 2 * gid.y * row + 2 * gid.x;
    const float beside = v[-1] + v[1] + v[-row] + v[row];
    const float two = v[-2] + v[2] + v[-2 * row] + v[2 * row];
    const float knight = v[-row - 2] + v[-row + 2] + v[row - 2] + v[row + 2]
                       + v[-2 * row - 1] + v[-2 * row + 1] + v[2 * row - 1] + v[2 * row + 1];
    const float operated = 8.0f * v[0] + 2.0f * (beside - two) - knight;
    const float weighted = 4.0f * g[0] + 2.0f * (g[-1] + g[1] + g[-row] + g[row])
                         + g[-row - 1] + g[-row + 1] + g[row - 1] + g[row + 1];
    f_c[c] = 0.0625f * (weighted - operated * (float(n) * float(n)));
}

kernel void mg_prolong(device const float *u_in  [[buffer(0)]],
                       device const float *e_c   [[buffer(1)]],
                       device       float *u_out [[buffer(2)]],
                       constant     uint  &n     [[buffer(3)]],
                       uint2 gid [[thread_position_in_grid]]) {
    if (gid.x > n || gid.y > n) return;
    const uint c = gid.y * (n + 1) + gid.x;
    const uint row = n / 2 + 1;
    const uint west = gid.x >> 1, east = (gid.x + 1) >> 1;
    device const float *south = e_c + (gid.y >> 1) * row;
    device const float *north = e_c + ((gid.y + 1) >> 1) * row;
    u_out[c] = fma(0.25f, (south[west] + south[east]) + (north[west] + north[east]), u_in[c]);
}
