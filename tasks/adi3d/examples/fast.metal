// Idea: the matrix is the same on every line, so that the elimination's coefficients depend only on the place in the line, and
// after a few cells no longer even on that: they converge to a fixed point. So the first 32 are kept, the rest are the
// last of them, and a division a cell becomes a product.
#include <metal_stdlib>
using namespace metal;

constant uint KEPT = 32;                // enough for single precision up to mu = 10

static void solve(device const float *u, device float *v, uint first, uint stride, uint n, float mu) {
    float c[KEPT];                      // minus what row i takes of v_{i+1}, and of v_{i-1}: the matrix is symmetric
    c[0] = 0.0f;
    for (uint i = 1; i < KEPT; ++i) c[i] = mu / (1.0f + 2.0f * mu - mu * c[i - 1]);
    const float per_mu = 1.0f / mu;
    float d = u[first];
    v[first] = d;
    uint at = first + stride;
    for (uint i = 1; i < n - 1; ++i, at += stride) {
        d = c[min(i, KEPT - 1)] * fma(per_mu, u[at], d);
        v[at] = d;
    }
    d = u[at];
    v[at] = d;
    for (uint i = n - 2; i > 0; --i) {
        at -= stride;
        d = fma(c[min(i, KEPT - 1)], d, v[at]);
        v[at] = d;
    }
}

static void copy(device const float *u, device float *v, uint first, uint stride, uint n) {
    for (uint i = 0; i < n; ++i) v[first + i * stride] = u[first + i * stride];
}

kernel void adi_x(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid [[thread_position_in_grid]]) {
    const uint j = gid.x;
    const uint k = gid.y;
    if (j >= NY || k >= NZ) return;
    const uint first = (k * NY + j) * NX;
    if (j == 0 || k == 0 || j == NY - 1 || k == NZ - 1) copy(u_in, u_out, first, 1, NX);
    else solve(u_in, u_out, first, 1, NX, mu);
}

kernel void adi_y(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x;
    const uint k = gid.y;
    if (i >= NX || k >= NZ) return;
    const uint first = k * NY * NX + i;
    if (i == 0 || k == 0 || i == NX - 1 || k == NZ - 1) copy(u_in, u_out, first, NX, NY);
    else solve(u_in, u_out, first, NX, NY, mu);
}

kernel void adi_z(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NX || j >= NY) return;
    const uint first = j * NX + i;
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) copy(u_in, u_out, first, NX * NY, NZ);
    else solve(u_in, u_out, first, NX * NY, NZ, mu);
}
