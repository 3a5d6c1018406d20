// fft3d: forward Fourier transform of an N x N x N complex field, unnormalised, N a power of two: x, then y, then z.
//
//   X_k = sum_n x_n exp(-2 pi i k n / N)   along one axis; data[(k*N + j)*N + i], i along x
//
// One threadgroup transforms one line, one thread holds one element of it: radix-2 decimation in time, a barrier
// before and after each of the log2 N stages.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_N = 1024;

// The element at place i of a line's transform, given the element that stands there before it.
static float2 transform(float2 value, threadgroup float2 *line, uint i, uint N) {
    uint reversed = 0;
    for (uint bit = 1, top = N >> 1; bit < N; bit <<= 1, top >>= 1) {
        if (i & bit) reversed |= top;
    }
    line[reversed] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint half_length = 1; half_length < N; half_length <<= 1) {
        const uint k = i & (half_length - 1);
        const float angle = -M_PI_F * float(k) / float(half_length);
        const float2 w = float2(cos(angle), sin(angle));
        const float2 even = line[i & ~half_length];
        const float2 odd = line[i | half_length];
        const float2 turned = float2(w.x * odd.x - w.y * odd.y, w.x * odd.y + w.y * odd.x);
        const float2 result = i & half_length ? even - turned : even + turned;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        line[i] = result;
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
