// Idea: a thread holds its element of four neighbouring lines in registers all the time; one group in four does the work of
// four, the others end at once. Along y and z the four are 32 bytes of memory that are read and written together, and
// exp(-2 pi i k / N) is found once for four lines. Partners that are less than 32 apart meet by simd_shuffle_xor, without
// memory or barrier, which are five of seven stages at N = 128; the others meet in 4 KB of threadgroup memory, so that a
// core has room for 15 groups, whose waits overlap. Longer lines meet there in parts.
#include <metal_stdlib>
using namespace metal;

constant uint LINES = 4;                // at a time
constant uint ROOM = 256;               // float4 that meet at a time
constant float2 TURNS[64] = {           // exp(-2 pi i k / 128)
    float2(1.000000000f, -0.000000000f), float2(0.998795456f, -0.049067674f), float2(0.995184727f, -0.098017140f),
    float2(0.989176510f, -0.146730474f), float2(0.980785280f, -0.195090322f), float2(0.970031253f, -0.242980180f),
    float2(0.956940336f, -0.290284677f), float2(0.941544065f, -0.336889853f), float2(0.923879533f, -0.382683432f),
    float2(0.903989293f, -0.427555093f), float2(0.881921264f, -0.471396737f), float2(0.857728610f, -0.514102744f),
    float2(0.831469612f, -0.555570233f), float2(0.803207531f, -0.595699304f), float2(0.773010453f, -0.634393284f),
    float2(0.740951125f, -0.671558955f), float2(0.707106781f, -0.707106781f), float2(0.671558955f, -0.740951125f),
    float2(0.634393284f, -0.773010453f), float2(0.595699304f, -0.803207531f), float2(0.555570233f, -0.831469612f),
    float2(0.514102744f, -0.857728610f), float2(0.471396737f, -0.881921264f), float2(0.427555093f, -0.903989293f),
    float2(0.382683432f, -0.923879533f), float2(0.336889853f, -0.941544065f), float2(0.290284677f, -0.956940336f),
    float2(0.242980180f, -0.970031253f), float2(0.195090322f, -0.980785280f), float2(0.146730474f, -0.989176510f),
    float2(0.098017140f, -0.995184727f), float2(0.049067674f, -0.998795456f), float2(0.000000000f, -1.000000000f),
    float2(-0.049067674f, -0.998795456f), float2(-0.098017140f, -0.995184727f), float2(-0.146730474f, -0.989176510f),
    float2(-0.195090322f, -0.980785280f), float2(-0.242980180f, -0.970031253f), float2(-0.290284677f, -0.956940336f),
    float2(-0.336889853f, -0.941544065f), float2(-0.382683432f, -0.923879533f), float2(-0.427555093f, -0.903989293f),
    float2(-0.471396737f, -0.881921264f), float2(-0.514102744f, -0.857728610f), float2(-0.555570233f, -0.831469612f),
    float2(-0.595699304f, -0.803207531f), float2(-0.634393284f, -0.773010453f), float2(-0.671558955f, -0.740951125f),
    float2(-0.707106781f, -0.707106781f), float2(-0.740951125f, -0.671558955f), float2(-0.773010453f, -0.634393284f),
    float2(-0.803207531f, -0.595699304f), float2(-0.831469612f, -0.555570233f), float2(-0.857728610f, -0.514102744f),
    float2(-0.881921264f, -0.471396737f), float2(-0.903989293f, -0.427555093f), float2(-0.923879533f, -0.382683432f),
    float2(-0.941544065f, -0.336889853f), float2(-0.956940336f, -0.290284677f), float2(-0.970031253f, -0.242980180f),
    float2(-0.980785280f, -0.195090322f), float2(-0.989176510f, -0.146730474f), float2(-0.995184727f, -0.098017140f),
    float2(-0.998795456f, -0.049067674f),
};

struct Elements {                       // one of each of four lines
    float4 re, im;
};

static Elements read(device const float2 *in, uint from, uint next) {
    const float2 a = in[from], b = in[from + next], c = in[from + 2 * next], d = in[from + 3 * next];
    return {float4(a.x, b.x, c.x, d.x), float4(a.y, b.y, c.y, d.y)};
}

static void write(device float2 *out, uint to, uint next, Elements e) {
    for (uint l = 0; l < LINES; ++l) out[to + l * next] = float2(e.re[l], e.im[l]);
}

static Elements shuffled(Elements e, ushort h) { return {simd_shuffle_xor(e.re, h), simd_shuffle_xor(e.im, h)}; }

// A stage of butterflies that are h apart, with exp(-pi i k / h) for place k among them.
static Elements joined(Elements value, Elements other, uint i, uint h) {
    const uint k = i & (h - 1);
    const bool upper = (i & h) != 0;
    const float4 re = upper ? value.re : other.re, im = upper ? value.im : other.im;
    float4 x = re, y = im;
    if (h == 2 && k != 0) {
        x = im;
        y = -re;
    }
    if (h > 2) {
        float2 w;
        if (h <= 64) {
            w = TURNS[k * (64 / h)];
        } else {
            const float angle = -M_PI_F * float(k) / float(h);
            w = float2(cos(angle), sin(angle));
        }
        x = re * w.x - im * w.y;
        y = re * w.y + im * w.x;
    }
    if (upper) return {other.re - x, other.im - y};
    return {value.re + x, value.im + y};
}

static float4 met(float4 value, threadgroup float4 *room, uint i, uint h, uint N) {
    if (N <= ROOM) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        room[i] = value;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        return room[i ^ h];
    }
    threadgroup float *part = (threadgroup float *)room;
    float4 other;
    for (uint l = 0; l < LINES; ++l) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        part[i] = value[l];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        other[l] = part[i ^ h];
    }
    return other;
}

static Elements partner(Elements e, threadgroup float4 *room, uint i, uint h, uint N) {
    return {met(e.re, room, i, h, N), met(e.im, room, i, h, N)};
}

// Elements i of the transforms of lines that begin `next` apart, the first at `first`; their own are `stride` apart.
static void transform(device const float2 *in, device float2 *out, threadgroup float4 *room, uint first, uint stride,
                      uint next, uint i, uint N) {
    const uint from = N > 1 ? reverse_bits(i) >> clz(N - 1) : 0;
    Elements value = read(in, first + from * stride, next);
    #pragma unroll
    for (uint h = 1; h < 32; h *= 2) {
        if (h < N) value = joined(value, shuffled(value, ushort(h)), i, h);
    }
    if (N > 32) value = joined(value, partner(value, room, i, 32, N), i, 32);
    if (N > 64) value = joined(value, partner(value, room, i, 64, N), i, 64);
    for (uint h = 128; h < N; h *= 2) value = joined(value, partner(value, room, i, h, N), i, h);
    write(out, first + i * stride, next, value);
}

kernel void fft3d_x(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float4 room[ROOM];
    if (gid.y % LINES != 0) return;     // the whole group does
    transform(in_data, out_data, room, gid.y * N, 1, N, gid.x, N);
}

kernel void fft3d_y(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float4 room[ROOM];
    if (gid.y % LINES != 0) return;     // the whole group does
    transform(in_data, out_data, room, gid.y / N * N * N + gid.y % N, N, 1, gid.x, N);
}

kernel void fft3d_z(device const float2 *in_data  [[buffer(0)]],
                    device       float2 *out_data [[buffer(1)]],
                    constant     uint   &N        [[buffer(2)]],
                    uint3 gid [[thread_position_in_grid]]) {
    threadgroup float4 room[ROOM];
    if (gid.y % LINES != 0) return;     // the whole group does
    transform(in_data, out_data, room, gid.y, N * N, 1, gid.x, N);
}
