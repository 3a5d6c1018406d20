// fft3d: forward Fourier transform of an N x N x N complex field, unnormalised, N a power of two: x, then y, then z.
//
//   X_k = sum_n x_n exp(-2 pi i k n / N)   along one axis; data[(k*N + j)*N + i], i along x
//
// One threadgroup transforms one line, one thread holds one element of it. Radix-2 decimation in time: the line is put in
// bit-reversed order, then each of the log2 N stages is N/2 butterflies, one for each thread of the lower half.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_N = 1024;

// The element at place i of the line's transform, given the line's element at place i.
static float2 transform(float2 value, threadgroup float2 *line, uint i, uint N) {
    uint reversed = 0;
    for (uint bit = 1, top = N >> 1; bit < N; bit <<= 1, top >>= 1) {
        if (i & bit) reversed |= top;
    }
    line[reversed] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint half_length = 1; half_length < N; half_length <<= 1) {
        if (i < N / 2) {
            const uint k = i & (half_length - 1);
            const uint a = 2 * (i - k) + k;
            const uint b = a + half_length;
            const float angle = -M_PI_F * float(k) / float(half_length);
            const float2 w = float2(cos(angle), sin(angle));
            const float2 odd = float2(w.x * line[b].x - w.y * line[b].y, w.x * line[b].y + w.y * line[b].x);
            const float2 even = line[a];
            line[a] = even + odd;
            line[b] = even - odd;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    return line[i];
}

kernel void fft3d_x(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N];
    const uint i = gid.x;
    const uint k = gid.y / N;
    const uint j = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data[c], line, i, N);
}

kernel void fft3d_y(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N];
    const uint j = gid.x;
    const uint k = gid.y / N;
    const uint i = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data[c], line, j, N);
}

kernel void fft3d_z(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N];
    const uint k = gid.x;
    const uint j = gid.y / N;
    const uint i = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data[c], line, k, N);
}
