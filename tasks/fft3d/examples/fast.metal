// Idea: a thread transforms 32 neighbouring lines side by side, so that a butterfly is the same for all vector lanes and needs
// no shuffle, and no thread waits for another. The lines are put in bit-reversed order as they are read into threadgroup
// memory, where two stages at a time are done in place; each root of unity is found once for all of them. One thread in
// N works, and one group in 32: that suits a processor with a few wide cores; a GPU wants all: see gpu.metal.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_N = 1024;
constant uint LANES = 32;               // lines at a time
constant uint ROOM = 4096;              // elements that threadgroup memory holds: long lines are done fewer at a time

static uint lines_at_a_time(uint N) { return min(min(LANES, N), max(1u, ROOM / N)); }

// The transforms of `lanes` lines: element n of line l stands at [reverse(n) * lanes + l] before, element k at [k * lanes + l] after.
static void transform(threadgroup float *re, threadgroup float *im, uint N, uint lanes) {
    float c[MAX_N / 2], s[MAX_N / 2];   // exp(-2 pi i k / N)
    for (uint k = 0; k < N / 2; ++k) {
        const float angle = -2.0f * M_PI_F * float(k) / float(N);
        c[k] = cos(angle);
        s[k] = sin(angle);
    }
    uint h = 1;
    if (popcount(N - 1) & 1) {          // log2 N is odd: one stage alone
        for (uint a = 0; a < N * lanes; a += 2 * lanes) {
#pragma clang loop vectorize(assume_safety) interleave_count(1)
            for (uint l = a; l < a + lanes; ++l) {
                const float x = re[l], y = im[l], p = re[l + lanes], q = im[l + lanes];
                re[l] = x + p;
                im[l] = y + q;
                re[l + lanes] = x - p;
                im[l + lanes] = y - q;
            }
        }
        h = 2;
    }
    for (; h < N; h *= 4) {
        const uint step = h * lanes;
        for (uint k = 0; k < h; ++k) {
            const float c1 = c[k * (N / h / 2)], s1 = s[k * (N / h / 2)];
            const float c2 = c[k * (N / h / 4)], s2 = s[k * (N / h / 4)];
            for (uint first = k * lanes; first < N * lanes; first += 4 * step) {
#pragma clang loop vectorize(assume_safety) interleave_count(1)
                for (uint l = first; l < first + lanes; ++l) {
                    const float a_re = re[l], a_im = im[l];
                    const float b_re = re[l + step], b_im = im[l + step];
                    const float c_re = re[l + 2 * step], c_im = im[l + 2 * step];
                    const float d_re = re[l + 3 * step], d_im = im[l + 3 * step];
                    const float t_re = c1 * b_re - s1 * b_im, t_im = c1 * b_im + s1 * b_re;
                    const float u_re = c1 * d_re - s1 * d_im, u_im = c1 * d_im + s1 * d_re;
                    const float e_re = a_re + t_re, e_im = a_im + t_im, f_re = a_re - t_re, f_im = a_im - t_im;
                    const float v_re = c_re + u_re, v_im = c_im + u_im, w_re = c_re - u_re, w_im = c_im - u_im;
                    const float g_re = c2 * v_re - s2 * v_im, g_im = c2 * v_im + s2 * v_re;
                    const float i_re = c2 * w_re - s2 * w_im, i_im = c2 * w_im + s2 * w_re;
                    re[l] = e_re + g_re;
                    im[l] = e_im + g_im;
                    re[l + step] = f_re + i_im;
                    im[l + step] = f_im - i_re;
                    re[l + 2 * step] = e_re - g_re;
                    im[l + 2 * step] = e_im - g_im;
                    re[l + 3 * step] = f_re - i_im;
                    im[l + 3 * step] = f_im + i_re;
                }
            }
        }
    }
}

static uint reversed(uint n, uint N) { return N > 1 ? reverse_bits(n) >> clz(N - 1) : 0; }

// Lines side by side from element `first` on; their own elements are `stride` apart.
static void beside(device const float2 *in, device float2 *out, threadgroup float *re, threadgroup float *im, uint first,
                   uint stride, uint N, uint lanes) {
    for (uint n = 0; n < N; ++n) {
        const uint at = reversed(n, N) * lanes;
        device const float *x = (device const float *)(in + first + n * stride);
#pragma clang loop vectorize(assume_safety) interleave_count(1)
        for (uint l = 0; l < lanes; ++l) {
            re[at + l] = x[2 * l];
            im[at + l] = x[2 * l + 1];
        }
    }
    transform(re, im, N, lanes);
    for (uint n = 0; n < N; ++n) {
        device float *x = (device float *)(out + first + n * stride);
#pragma clang loop vectorize(assume_safety) interleave_count(1)
        for (uint l = 0; l < lanes; ++l) {
            x[2 * l] = re[n * lanes + l];
            x[2 * l + 1] = im[n * lanes + l];
        }
    }
}

kernel void fft3d_x(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float re[ROOM], im[ROOM];
    const uint lanes = lines_at_a_time(N);
    if (gid.y % lanes != 0 || gid.x != 0) return;
    device const float2 *x = in_data + gid.y * N;
    for (uint l = 0; l < lanes; ++l) {
        for (uint n = 0; n < N; ++n) {
            const float2 value = x[l * N + n];
            const uint at = reversed(n, N) * lanes + l;
            re[at] = value.x;
            im[at] = value.y;
        }
    }
    transform(re, im, N, lanes);
    device float2 *y = out_data + gid.y * N;
    for (uint l = 0; l < lanes; ++l) {
        for (uint n = 0; n < N; ++n) y[l * N + n] = float2(re[n * lanes + l], im[n * lanes + l]);
    }
}

kernel void fft3d_y(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float re[ROOM], im[ROOM];
    const uint lanes = lines_at_a_time(N);
    if (gid.y % lanes != 0 || gid.x != 0) return;
    beside(in_data, out_data, re, im, gid.y / N * N * N + gid.y % N, N, N, lanes);
}

kernel void fft3d_z(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float re[ROOM], im[ROOM];
    const uint lanes = lines_at_a_time(N);
    if (gid.y % lanes != 0 || gid.x != 0) return;
    beside(in_data, out_data, re, im, gid.y, N * N, N, lanes);
}
