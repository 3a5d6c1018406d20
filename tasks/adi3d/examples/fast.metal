// Idea: a thread solves the 32 lines of its group side by side, in vector lanes, so that the recurrence along a line costs no waiting:
// lines are read into threadgroup memory with the lanes next to each other, eliminated and substituted there, and
// written back. All lines have the same matrix, so that its coefficients are found once for 32 lines, and a division a
// cell becomes a product. That suits a processor with a few wide cores; a GPU wants a thread a line: see gpu.metal.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_LINE = 1024;
constant uint ROOM = 8192;              // cells of threadgroup memory

// Solves `lanes` lines of n cells, cell i of line l at d[i * lanes + l].
static void solve(threadgroup float *d, uint lanes, uint n, float mu) {
    float r[MAX_LINE];                  // one over the pivots
    r[0] = 0.0f;
    for (uint i = 1; i < n - 1; ++i) r[i] = 1.0f / (1.0f + 2.0f * mu - mu * mu * r[i - 1]);
    for (uint i = 1; i < n - 1; ++i) {
        const float own = r[i], before = mu * own;
#pragma clang loop vectorize(assume_safety)
        for (uint l = i * lanes; l < (i + 1) * lanes; ++l) d[l] = own * d[l] + before * d[l - lanes];
    }
    for (uint i = n - 2; i > 0; --i) {
        const float behind = mu * r[i];
#pragma clang loop vectorize(assume_safety)
        for (uint l = i * lanes; l < (i + 1) * lanes; ++l) d[l] += behind * d[l + lanes];
    }
}

// Copies a line from u.
static void copy(device const float *u, device float *v, uint first, uint stride, uint n) {
    for (uint i = 0; i < n; ++i) v[first + i * stride] = u[first + i * stride];
}

// Lines next to each other in memory: line l has its cell i at first + i * stride + l. `face`: all are copied.
static void beside(device const float *u, device float *v, threadgroup float *d, uint first, uint stride, uint count, uint n,
                   float mu, bool face) {
    const uint most = max(1u, ROOM / n);
    for (uint begin = 0; begin < count; begin += most) {
        const uint lanes = min(most, count - begin);
        for (uint i = 0; i < n; ++i) {
#pragma clang loop vectorize(assume_safety)
            for (uint l = 0; l < lanes; ++l) d[i * lanes + l] = u[first + begin + i * stride + l];
        }
        if (!face && n > 2) solve(d, lanes, n, mu);
        for (uint i = 0; i < n; ++i) {
#pragma clang loop vectorize(assume_safety)
            for (uint l = 0; l < lanes; ++l) v[first + begin + i * stride + l] = d[i * lanes + l];
        }
    }
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
    threadgroup float d[ROOM];
    if (lid.x != 0) return;
    const uint most = max(1u, ROOM / NX);
    const bool face = gid.y == 0 || gid.y == NZ - 1;
    for (uint begin = 0; begin < group.x; begin += most) {
        const uint lanes = min(most, group.x - begin);
        const uint first = (gid.y * NY + gid.x + begin) * NX;
        for (uint l = 0; l < lanes; ++l) {
            for (uint i = 0; i < NX; ++i) d[i * lanes + l] = u_in[first + l * NX + i];
        }
        if (!face && NX > 2) solve(d, lanes, NX, mu);
        for (uint l = 0; l < lanes; ++l) {
            for (uint i = 0; i < NX; ++i) u_out[first + l * NX + i] = d[i * lanes + l];
        }
    }
    if (gid.x == 0) copy(u_in, u_out, gid.y * NY * NX, 1, NX);
    if (gid.x + group.x >= NY) copy(u_in, u_out, (gid.y * NY + NY - 1) * NX, 1, NX);
}

kernel void adi_y(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid   [[thread_position_in_grid]],
                  uint2 lid   [[thread_position_in_threadgroup]],
                  uint2 group [[threads_per_threadgroup]]) {
    threadgroup float d[ROOM];
    if (lid.x != 0) return;
    const uint plane = gid.y * NY * NX;
    beside(u_in, u_out, d, plane + gid.x, NX, group.x, NY, mu, gid.y == 0 || gid.y == NZ - 1);
    if (gid.x == 0) copy(u_in, u_out, plane, NX, NY);
    if (gid.x + group.x >= NX) copy(u_in, u_out, plane + NX - 1, NX, NY);
}

kernel void adi_z(device const float *u_in  [[buffer(0)]],
                  device       float *u_out [[buffer(1)]],
                  constant     uint  &NX    [[buffer(2)]],
                  constant     uint  &NY    [[buffer(3)]],
                  constant     uint  &NZ    [[buffer(4)]],
                  constant     float &mu    [[buffer(5)]],
                  uint2 gid   [[thread_position_in_grid]],
                  uint2 lid   [[thread_position_in_threadgroup]],
                  uint2 group [[threads_per_threadgroup]]) {
    threadgroup float d[ROOM];
    if (lid.x != 0) return;
    const uint row = gid.y * NX;
    beside(u_in, u_out, d, row + gid.x, NX * NY, group.x, NZ, mu, gid.y == 0 || gid.y == NY - 1);
    if (gid.x == 0) copy(u_in, u_out, row, NX * NY, NZ);
    if (gid.x + group.x >= NX) copy(u_in, u_out, row + NX - 1, NX * NY, NZ);
}
