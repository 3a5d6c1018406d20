// Idea: one thread a line, and a threadgroup is a simdgroup of 32 lines. Along y and z the lanes are next to each other in memory as
// they are. Along x they are a line apart, so that 32 x 32 cells at a time go through threadgroup memory: rows come and
// go side by side, and each lane works on its own line in between. All lines have the same matrix, whose coefficients
// converge to a fixed point: after 32 cells they are kept, and a division a cell becomes a product.
#include <metal_stdlib>
using namespace metal;

constant uint KEPT = 32;                // enough for single precision up to mu = 10
constant uint SIDE = 32;                // of a tile, and the lanes of a group

// Row i takes c[i] of v_{i-1} and of v_{i+1}: the matrix is symmetric.
static void coefficients(threadgroup float *c, uint lane, float mu) {
    if (lane == 0) {
        c[0] = 0.0f;
        for (uint i = 1; i < KEPT; ++i) c[i] = mu / (1.0f + 2.0f * mu - mu * c[i - 1]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
}

static void solve(device const float *u, device float *v, threadgroup const float *c, uint first, uint stride, uint n,
                  float mu) {
    const float per_mu = 1.0f / mu;
    float d = u[first];
    v[first] = d;
    for (uint i = 1; i < n - 1; ++i) {
        d = c[min(i, KEPT - 1)] * fma(per_mu, u[first + i * stride], d);
        v[first + i * stride] = d;
    }
    d = u[first + (n - 1) * stride];
    v[first + (n - 1) * stride] = d;
    for (uint i = n - 2; i > 0; --i) {
        d = fma(c[min(i, KEPT - 1)], d, v[first + i * stride]);
        v[first + i * stride] = d;
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
                  uint2 gid   [[thread_position_in_grid]],
                  uint2 lid   [[thread_position_in_threadgroup]],
                  uint2 group [[threads_per_threadgroup]]) {
    threadgroup float tile[SIDE][SIDE + 1], c[KEPT];    // a word more a row, so that lanes of a column are in other banks
    const uint lane = lid.x, lanes = group.x;
    coefficients(c, lane, mu);
    const uint j = gid.x, k = gid.y, row = (k * NY + j - lane) * NX;
    const bool held = j == 0 || k == 0 || j == NY - 1 || k == NZ - 1;
    const float per_mu = 1.0f / mu;
    float d = 0.0f;
    for (uint begin = 0; begin < NX; begin += SIDE) {   // forwards
        const uint count = min(SIDE, NX - begin);
        for (uint l = 0; l < lanes; ++l) {
            for (uint i = lane; i < count; i += lanes) tile[l][i] = u_in[row + l * NX + begin + i];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = 0; i < count; ++i) {
            const uint at = begin + i;
            const float u = tile[lane][i];
            d = held || at == 0 || at == NX - 1 ? u : c[min(at, KEPT - 1)] * fma(per_mu, u, d);
            tile[lane][i] = d;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint l = 0; l < lanes; ++l) {
            for (uint i = lane; i < count; i += lanes) u_out[row + l * NX + begin + i] = tile[l][i];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    }
    for (uint left = (NX + SIDE - 1) / SIDE; left > 0; --left) {        // and back
        const uint begin = (left - 1) * SIDE, count = min(SIDE, NX - begin);
        for (uint l = 0; l < lanes; ++l) {
            for (uint i = lane; i < count; i += lanes) tile[l][i] = u_out[row + l * NX + begin + i];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = count; i > 0; --i) {
            const uint at = begin + i - 1;
            const float u = tile[lane][i - 1];
            d = held || at == 0 || at == NX - 1 ? u : fma(c[min(at, KEPT - 1)], d, u);
            tile[lane][i - 1] = d;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint l = 0; l < lanes; ++l) {
            for (uint i = lane; i < count; i += lanes) u_out[row + l * NX + begin + i] = tile[l][i];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    }
}

kernel void adi_y(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid [[thread_position_in_grid]],
                  uint2 lid [[thread_position_in_threadgroup]]) {
    threadgroup float c[KEPT];
    coefficients(c, lid.x, mu);
    const uint i = gid.x, k = gid.y;
    const uint first = k * NY * NX + i;
    if (i == 0 || k == 0 || i == NX - 1 || k == NZ - 1) copy(u_in, u_out, first, NX, NY);
    else solve(u_in, u_out, c, first, NX, NY, mu);
}

kernel void adi_z(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid [[thread_position_in_grid]],
                  uint2 lid [[thread_position_in_threadgroup]]) {
    threadgroup float c[KEPT];
    coefficients(c, lid.x, mu);
    const uint i = gid.x, j = gid.y;
    const uint first = j * NX + i;
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) copy(u_in, u_out, first, NX * NY, NZ);
    else solve(u_in, u_out, c, first, NX * NY, NZ, mu);
}
