// adi3d: one implicit heat step on an NX x NY x NZ grid, locally one-dimensional: x, then y, then z.
//
//   -mu v_{i-1} + (1 + 2 mu) v_i - mu v_{i+1} = u_i   along every line, the line's two ends held
//
// One thread solves one line by the Thomas algorithm. Lines that touch a face of the grid in their other two indices
// are copied. u[(k*NY + j)*NX + i], i along x; lines have at most 1024 cells.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_LINE = 1024;

// The line of n cells that starts at `first` with the given stride.
static void solve(device const float *u, device float *v, uint first, uint stride, uint n, float mu) {
    float c[MAX_LINE];                  // v_i = d_i - c_i v_{i+1}; the d_i stand in v meanwhile
    c[0] = 0.0f;
    v[first] = u[first];
    for (uint i = 1; i < n - 1; ++i) {
        const float pivot = 1.0f + 2.0f * mu + mu * c[i - 1];
        c[i] = -mu / pivot;
        v[first + i * stride] = (u[first + i * stride] + mu * v[first + (i - 1) * stride]) / pivot;
    }
    v[first + (n - 1) * stride] = u[first + (n - 1) * stride];
    for (uint i = n - 2; i > 0; --i) {
        v[first + i * stride] -= c[i] * v[first + (i + 1) * stride];
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
