// Idea: along x a line is a run of memory and a thread holds one element: partners that are less than 32 apart meet by simd_shuffle_xor,
// without memory or barrier, the others in threadgroup memory. Along y and z neighbours in a line are far apart in
// memory, so that one group in eight does eight neighbouring lines, whose rows are read and written 64 bytes at a time,
// in radix-4 stages between barriers; the groups that it does the work of end at once.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_N = 1024;
constant uint LINES = 8;                // at a time, along y and z
constant uint ROOM = 4096;              // elements of threadgroup memory: 32 KB

static float2 times(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

static float2 turn(uint k, uint n) {    // exp(-2 pi i k / n)
    const float angle = -2.0f * M_PI_F * float(k) / float(n);
    return float2(cos(angle), sin(angle));
}

static uint reversed(uint n, uint N) { return N > 1 ? reverse_bits(n) >> clz(N - 1) : 0; }

kernel void fft3d_x(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 line[MAX_N];
    const uint i = gid.x;
    float2 value = in_data[gid.y * N + reversed(i, N)];
    for (uint h = 1; h < N; h *= 2) {
        float2 other;
        if (h < 32) {
            other = simd_shuffle_xor(value, ushort(h));
        } else {
            threadgroup_barrier(mem_flags::mem_threadgroup);
            line[i] = value;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            other = line[i ^ h];
        }
        const bool upper = (i & h) != 0;
        const float2 odd = times(turn(i & (h - 1), 2 * h), upper ? value : other);
        value = upper ? other - odd : value + odd;
    }
    out_data[gid.y * N + i] = value;
}

// The lines from element `first` on, side by side; their own elements are `stride` apart. All N threads of the group take part.
static void beside(device const float2 *in, device float2 *out, threadgroup float2 *tile, uint first, uint stride,
                   uint lane, uint N, uint lines) {
    for (uint e = lane; e < N * lines; e += N) {
        const uint n = e / lines, l = e % lines;
        tile[reversed(n, N) * lines + l] = in[first + n * stride + l];
    }
    uint h = 1;
    if (popcount(N - 1) & 1) {          // log2 N is odd: one stage of pairs
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint b = lane; b < N / 2 * lines; b += N) {
            const uint at = b / lines * 2 * lines + b % lines;
            const float2 even = tile[at], odd = tile[at + lines];
            tile[at] = even + odd;
            tile[at + lines] = even - odd;
        }
        h = 2;
    }
    for (; h < N; h *= 4) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint b = lane; b < N / 4 * lines; b += N) {
            const uint l = b % lines, k = b / lines % h, block = b / lines / h;
            const uint step = h * lines;
            const uint at = (block * 4 * h + k) * lines + l;
            const float2 w1 = turn(k, 2 * h), w2 = turn(k, 4 * h);
            const float2 a = tile[at], t = times(w1, tile[at + step]);
            const float2 c = tile[at + 2 * step], u = times(w1, tile[at + 3 * step]);
            const float2 g = times(w2, c + u), i = times(w2, c - u);
            tile[at] = a + t + g;
            tile[at + step] = a - t + float2(i.y, -i.x);
            tile[at + 2 * step] = a + t - g;
            tile[at + 3 * step] = a - t - float2(i.y, -i.x);
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint e = lane; e < N * lines; e += N) out[first + e / lines * stride + e % lines] = tile[e];
}

static uint lines_at_a_time(uint N) { return min(min(LINES, N), max(1u, ROOM / N)); }

kernel void fft3d_y(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 tile[ROOM];
    const uint lines = lines_at_a_time(N);
    if (gid.y % lines != 0) return;     // the whole group does
    beside(in_data, out_data, tile, gid.y / N * N * N + gid.y % N, N, gid.x, N, lines);
}

kernel void fft3d_z(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 tile[ROOM];
    const uint lines = lines_at_a_time(N);
    if (gid.y % lines != 0) return;     // the whole group does
    beside(in_data, out_data, tile, gid.y, N * N, gid.x, N, lines);
}
