// Fused multiply-add, which the compiler calls where the processor has no instruction for it. In integers: exact, then rounded
// once. (The host's libm has the same functions, of the same bits, and the loader may take those.)
#include "runtime.h"

#define CALLED __attribute__((visibility("default")))

typedef unsigned __int128 u128;

// Where the highest bit of an operand is put, so that a sum of two does not overflow.
enum { TOP = 125 };

// A number other than zero: `significand` times 2 to the power of `exponent`. The significand's highest bit is bit TOP.
struct Number {
    u128 significand;
    i32 exponent;
    u32 sign;
};

static u64 bits_of(double x) {
    union { double value; u64 bits; } both = {.value = x};
    return both.bits;
}

static int is_finite(double x) { return (bits_of(x) >> 52 & 0x7ff) != 0x7ff; }

static int highest_bit(u128 x) {
    const u64 high = (u64)(x >> 64);
    return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((u64)x);
}

static struct Number normal(u128 significand, i32 exponent, u32 sign) {
    const int shift = TOP - highest_bit(significand);
    return (struct Number){significand << shift, exponent - shift, sign};
}

static u64 significand_of(double x) {
    const u64 fraction = bits_of(x) & 0xfffffffffffffull;
    return bits_of(x) >> 52 & 0x7ff ? fraction | 1ull << 52 : fraction;
}

// Of the last bit of `significand_of`.
static i32 exponent_of(double x) {
    const i32 stored = (i32)(bits_of(x) >> 52 & 0x7ff);
    return (stored ? stored : 1) - 1075;
}

static u32 sign_of(double x) { return (u32)(bits_of(x) >> 63); }

// `x >> shift`; its last bit is set, too, where a bit is lost.
static u128 shifted_to_odd(u128 x, u32 shift) {
    if (shift == 0) return x;
    if (shift > TOP) return 1;
    return x >> shift | ((x << (128 - shift)) != 0);
}

// The lesser operand loses bits only where it is so small that the sum's first 64 bits are certain.
static struct Number sum(struct Number a, struct Number b) {
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
        const struct Number lesser = a;
        a = b;
        b = lesser;
    }
    const u128 other = shifted_to_odd(b.significand, (u32)(a.exponent - b.exponent));
    a.significand = a.sign == b.sign ? a.significand + other : a.significand - other;
    return a;
}

// The bits, without the sign, of the nearest number with so many bits in its significand, the first of them not stored.
// `least`: the exponent of the least subnormal.
static u64 nearest(u128 significand, i32 exponent, i32 precision, i32 least, u64 infinity) {
    const i32 wanted = highest_bit(significand) + exponent - (precision - 1);
    const i32 last = wanted > least ? wanted : least;  // exponent of the result's last bit
    const i32 shift = last - exponent;
    u128 whole;
    if (shift <= 0) {
        whole = significand << -shift;
    } else if (shift > 127) {
        whole = 0;
    } else {
        const u128 half = (u128)1 << (shift - 1), rest = significand & (2 * half - 1);
        whole = significand >> shift;
        whole += rest > half || (rest == half && (whole & 1));
    }
    // The first bit of a normal significand adds 1 to the exponent, as does a carry.
    const u64 biased = (u64)(last - least);
    if (biased > infinity >> (precision - 1)) return infinity;
    const u64 bits = (biased << (precision - 1)) + (u64)whole;
    return bits < infinity ? bits : infinity;
}

// All three are finite, and x and y are not zero.
static u64 fused(double x, double y, double z, i32 precision, i32 least, u64 infinity, u32 *sign) {
    const u128 significand = (u128)significand_of(x) * significand_of(y);
    struct Number result = normal(significand, exponent_of(x) + exponent_of(y), sign_of(x) ^ sign_of(y));
    if (significand_of(z)) result = sum(result, normal(significand_of(z), exponent_of(z), sign_of(z)));
    *sign = result.significand ? result.sign : 0;
    return result.significand ? nearest(result.significand, result.exponent, precision, least, infinity) : 0;
}

// Whether the operation's value is a zero's, an infinity's or a NaN's own, which no rounding touches.
static int is_special(double x, double y, double z) {
    return !is_finite(x) || !is_finite(y) || !is_finite(z) || !significand_of(x) || !significand_of(y);
}

CALLED double fma(double x, double y, double z) {
    if (is_special(x, y, z)) return x * y + z;
    u32 sign;
    const u64 bits = fused(x, y, z, 53, -1074, 0x7ff0000000000000ull, &sign);
    union { u64 bits; double value; } result = {.bits = bits | (u64)sign << 63};
    return result.value;
}

CALLED float fmaf(float x, float y, float z) {
    if (is_special(x, y, z)) return x * y + z;
    u32 sign;
    const u32 bits = (u32)fused(x, y, z, 24, -149, 0x7f800000, &sign);
    union { u32 bits; float value; } result = {.bits = bits | sign << 31};
    return result.value;
}
