// What a compiler likes to make a call of: of a function of the C library, or of one in the place of an instruction that the
// processor lacks.
#include <metal_stdlib>
using namespace metal;

constant uchar text[8] = {104, 101, 97, 118, 105, 108, 121, 0};
constant uint words[5] = {3, 1, 4, 1, 0};

// gives 7 4
kernel void lengths(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    uint n = uint(ones[0]) - 1, m = n;
    while (text[n]) ++n;
    while (words[m]) ++m;
    out[0] = n;
    out[1] = m;
}

struct Particle { float a[12]; int b, c, d, e, f, g, h, i, j, k, l, m; };
bool same(thread const Particle &p, thread const Particle &q) {
    return p.b == q.b && p.c == q.c && p.d == q.d && p.e == q.e && p.f == q.f && p.g == q.g && p.h == q.h && p.i == q.i
        && p.j == q.j && p.k == q.k && p.l == q.l && p.m == q.m;
}
// gives 1 0 24
kernel void whole_structs(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    Particle many[24];
    for (int n = 0; n < 24; ++n) {
        many[n] = Particle();
        many[n].m = int(ones[n]) + n;
    }
    const Particle copy = many[int(ones[0])];
    out[0] = same(copy, many[1]);
    out[1] = same(copy, many[int(ones[1]) + 1]);
    out[2] = many[int(ones[2]) + 22].m;
}

// gives 9 9 9 9
kernel void filled(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const uint n = uint(ones[0]) + 7;
    for (uint k = 0; k < n; ++k) out[k] = 0;
    for (uint k = 0; k < n; ++k) out[k] = ones[k];
    for (uint k = 0; k < n; ++k) out[k] += 8 * ones[k];
}

// gives 8 0.25 32 0.125 1 4
kernel void constant_powers(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const float two = 2 * ones[0];
    out[0] = pow(two, 3.0f);
    out[1] = pow(two, -2.0f);
    out[2] = pow(4 * ones[1], 2.5f);
    out[3] = pow(4 * ones[2], -1.5f);
    out[4] = pow(two, 0.0f);
    out[5] = pow(16 * ones[3], 0.5f);
}
// gives 8 0.25 32 4
kernel void constant_powers_of_halfs(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const half two = half(2 * ones[0]);
    out[0] = pow(two, 3.0h);
    out[1] = pow(two, -2.0h);
    out[2] = pow(half(4 * ones[1]), 2.5h);
    out[3] = pow(half2(16 * ones[2]), half2(0.5h)).y;
}

// gives 7 3 1.5 2 2 1
kernel void halfs(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const half one = half(ones[0]);
    const half4 x = half4(ones[0]);
    out[0] = fma(2 * one, 3 * one, one);
    out[1] = fma(x, 2 * x, x).z;
    out[2] = clamp(one + 1, one, 1.5h);
    out[3] = median3(one, 2 * one, 3 * one);
    out[4] = round(x * 1.5h).w;
    out[5] = fmod(3 * one, 2 * one);
}

// gives 4096 4096 4096 5 7
kernel void conversions(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const ulong large = ulong(ones[0]) << 12;
    out[0] = half(large);
    out[1] = float(bfloat(long(large)));
    out[2] = float(half(float(bfloat(large))));
    out[3] = ulong(half(5 * ones[1]));
    out[4] = ulong(7 * ones[2]);
}

// gives 45 285 2025 12 3 1
kernel void long_integers(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const ulong n = ulong(10 * ones[0]);
    ulong sum = 0, squares = 0, cubes = 0;
    for (ulong k = 0; k < n; ++k) {
        sum += k;
        squares += k * k;
        cubes += k * k * k;
    }
    out[0] = sum;
    out[1] = squares;
    out[2] = cubes;
    out[3] = mulhi(n << 60, n << 1);
    out[4] = cubes / (n * 67);
    out[5] = long(cubes) % long(n - 2) == 1;
}

// gives 0.881373587 1.31695790 0.549306144
kernel void area_functions(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    out[0] = asinh(ones[0]);
    out[1] = acosh(2 * ones[1]);
    out[2] = atanh(0.5f * ones[2]);
}

// gives 5.96046448e-8 5.96046448e-8 0.000244140625 0.000244140625
kernel void rounded_once(device float *out [[buffer(0)]], device const float *ones [[buffer(1)]]) {
    const float x = ones[0] + 0x1p-12f, sum = -(ones[0] + 0x1p-11f);
    out[0] = fma(x, x, sum);
    out[1] = fma(float2(x), float2(x), float2(sum)).y;
    const half y = half(ones[0] + 0x1p-6f), other = -half(ones[0] + 0x1p-5f);
    out[2] = fma(y, y, other);
    out[3] = fma(half3(y), half3(y), half3(other)).z;
}
