// Conversions to and from the types of 16 bits, which the compiler calls where the processor has no instruction for them.
#include "runtime.h"

#define CALLED __attribute__((visibility("default")))

typedef unsigned short u16;

// A binary format of IEEE 754: bits of the significand that are stored, bits of the exponent.
struct Format {
    u32 significand, exponent;
};

static const struct Format HALF = {10, 5}, BFLOAT = {7, 8}, FLOAT = {23, 8}, DOUBLE = {52, 11};

// Rounds `x >> shift` to nearest, ties to even. `shift`: at least 1.
static u64 shifted(u64 x, u32 shift) {
    if (shift > 63) return 0;
    const u64 half = (u64)1 << (shift - 1), rest = x & (2 * half - 1), whole = x >> shift;
    return whole + (rest > half || (rest == half && (whole & 1)));
}

// The number whose bits in the format `from` are `bits`, rounded once to the format `to`, of 16 bits.
static u16 rounded(u64 bits, struct Format from, struct Format to) {
    const u64 sign = bits >> (from.significand + from.exponent), one = (u64)1 << from.significand;
    const u64 magnitude = bits & ((one << from.exponent) - 1);
    const u64 infinity = (one << from.exponent) - one;
    const u32 infinite = ((1u << to.exponent) - 1) << to.significand;
    const u32 shift = from.significand - to.significand;
    // What the exponents' biases differ by: an exponent of 0, in `to`, is this one in `from`.
    const i32 zero = (1 << (from.exponent - 1)) - (1 << (to.exponent - 1));
    const i32 exponent = (i32)(magnitude >> from.significand);
    u64 result;
    if (magnitude > infinity) {
        result = infinite | 1u << (to.significand - 1) | (magnitude & (one - 1)) >> shift;
    } else if (exponent - zero >= (1 << to.exponent) - 1) {
        result = infinite;
    } else if (exponent > zero) {
        result = shifted(magnitude - (u64)zero * one, shift);  // a carry goes on into the exponent, up to infinity
    } else if (exponent) {
        result = shifted((magnitude & (one - 1)) | one, shift + 1 + (u32)(zero - exponent));
    } else {  // subnormal in both, or far below the least number of `to`
        result = zero ? 0 : shifted(magnitude, shift);
    }
    return (u16)(result | sign << 15);
}

static u64 float_bits(float x) {
    union { float value; u32 bits; } both = {.value = x};
    return both.bits;
}

static u64 double_bits(double x) {
    union { double value; u64 bits; } both = {.value = x};
    return both.bits;
}

static _Float16 half_of(u16 bits) {
    union { u16 bits; _Float16 value; } both = {.bits = bits};
    return both.value;
}

static __bf16 bfloat_of(u16 bits) {
    union { u16 bits; __bf16 value; } both = {.bits = bits};
    return both.value;
}

CALLED _Float16 __truncsfhf2(float x) { return half_of(rounded(float_bits(x), FLOAT, HALF)); }
CALLED _Float16 __truncdfhf2(double x) { return half_of(rounded(double_bits(x), DOUBLE, HALF)); }
CALLED __bf16 __truncsfbf2(float x) { return bfloat_of(rounded(float_bits(x), FLOAT, BFLOAT)); }
CALLED __bf16 __truncdfbf2(double x) { return bfloat_of(rounded(double_bits(x), DOUBLE, BFLOAT)); }

CALLED float __extendhfsf2(_Float16 x) {
    union { _Float16 value; u16 bits; } half = {.value = x};
    const u32 magnitude = half.bits & 0x7fff;
    union { u32 bits; float value; } result;
    if (magnitude < 0x400) {  // zero or subnormal: so many units of 2^-24
        result.value = (float)magnitude * 0x1p-24f;
    } else {
        result.bits = (magnitude << 13) + (magnitude < 0x7c00 ? 0x38000000 : 0x70000000);
    }
    result.bits |= (u32)(half.bits & 0x8000) << 16;
    return result.value;
}

CALLED double __extendhfdf2(_Float16 x) { return __extendhfsf2(x); }
