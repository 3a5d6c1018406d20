// Idea: two stages instead of log2 N, with N = R S: transforms of length R over elements S apart, a twist, transforms of length S
// over neighbours. Each thread sums one output of each, so there are two barriers, and the first stage reads device
// memory itself. One sine and one cosine a thread: a table of the roots of unity serves both stages and the twist.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_N = 1024;

static float2 times(float2 a, float2 b) { return float2(fma(a.x, b.x, -a.y * b.y), fma(a.x, b.y, a.y * b.x)); }

// Element i of the transform of the line of N elements that starts at `first` with the given stride.
static float2 transform(device const float2 *in, uint first, uint stride, threadgroup float2 *line, threadgroup float2 *w,
                        uint i, uint N) {
    const float angle = -2.0f * M_PI_F * float(i) / float(N);
    w[i] = float2(cos(angle), sin(angle));
    const uint bits = popcount(N - 1), low = bits / 2, high = bits - low;
    const uint R = 1u << low, S = 1u << high;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint k = i >> high, m = i & (S - 1);              // output k of the transform of elements m, m + S, m + 2S, ...
    float2 sum = in[first + m * stride];
    for (uint r = 1; r < R; ++r) sum += times(in[first + (m + (r << high)) * stride], w[((k * r) & (R - 1)) << high]);
    line[i] = times(sum, w[k * m]);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint q = i >> low;                                // output q of the transform of those with the same k
    threadgroup const float2 *x = line + ((i & (R - 1)) << high);
    sum = x[0];
    for (uint s = 1; s < S; ++s) sum += times(x[s], w[((q * s) & (S - 1)) << low]);
    return sum;
}

kernel void fft3d_x(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N], w[MAX_N];
    const uint i = gid.x;
    const uint k = gid.y / N;
    const uint j = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data, (k * N + j) * N, 1, line, w, i, N);
}

kernel void fft3d_y(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N], w[MAX_N];
    const uint j = gid.x;
    const uint k = gid.y / N;
    const uint i = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data, k * N * N + i, N, line, w, j, N);
}

kernel void fft3d_z(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N], w[MAX_N];
    const uint k = gid.x;
    const uint j = gid.y / N;
    const uint i = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data, j * N + i, N * N, line, w, k, N);
}
