// mgvcycle: the three kernels of a multigrid V-cycle for the Poisson equation -laplace u = f on the unit square, u = 0 outside.
//
// A level has n x n intervals and (n + 1) x (n + 1) points u[j*(n + 1) + i], spacing h = 1/n; edge points stay as they are.
//   mg_smooth    one damped Jacobi sweep:  u' = u + omega * (f h^2 - (4 u - sum of neighbours)) / 4
//   mg_restrict  residual r = f - (4 u - sum of neighbours) / h^2 to the grid of n/2 by full weighting 1 2 1 / 2 4 2 / 1 2 1
//   mg_prolong   u' = u + e, e from the grid of n/2 by bilinear interpolation
#include <metal_stdlib>
using namespace metal;

static float four_minus_neighbours(device const float *u, uint c, uint row) {
    return 4.0f * u[c] - u[c - 1] - u[c + 1] - u[c - row] - u[c + row];
}

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
    const float h2 = 1.0f / (float(n) * float(n));
    u_out[c] = u + omega * (f[c] * h2 - four_minus_neighbours(u_in, c, row)) / 4.0f;
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
    const uint row = n + 1;
    float sum = 0.0f;
    for (int dj = -1; dj <= 1; ++dj) {
        for (int di = -1; di <= 1; ++di) {
            const uint p = (2 * gid.y + dj) * row + 2 * gid.x + di;
            const float r = f[p] - four_minus_neighbours(u, p, row) * float(n) * float(n);
            sum += r * float((2 - abs(di)) * (2 - abs(dj)));
        }
    }
    f_c[c] = sum / 16.0f;
}

kernel void mg_prolong(device const float *u_in  [[buffer(0)]],
                       device const float *e_c   [[buffer(1)]],
                       device       float *u_out [[buffer(2)]],
                       constant     uint  &n     [[buffer(3)]],
                       uint2 gid [[thread_position_in_grid]]) {
    if (gid.x > n || gid.y > n) return;
    const uint c = gid.y * (n + 1) + gid.x;
    const uint row = n / 2 + 1;
    const uint west = gid.x / 2, east = (gid.x + 1) / 2;
    const uint south = gid.y / 2, north = (gid.y + 1) / 2;
    const float e = e_c[south * row + west] + e_c[south * row + east] + e_c[north * row + west] + e_c[north * row + east];
    u_out[c] = u_in[c] + 0.25f * e;
}
