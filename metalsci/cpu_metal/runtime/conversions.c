// Conversions between float and the 16-bit types, which the compiler calls where the processor has no instruction for them.
#include "runtime.h"

typedef unsigned short u16;

static u32 float_bits(float x) {
    union { float value; u32 bits; } both = {.value = x};
    return both.bits;
}

// Rounds `x >> shift` to nearest, ties to even.
static u32 shifted(u32 x, u32 shift) {
    const u32 half = (u32)1 << (shift - 1), rest = x & (2 * half - 1), whole = x >> shift;
    return whole + (rest > half || (rest == half && (whole & 1)));
}

__attribute__((visibility("default"))) __bf16 __truncsfbf2(float x) {
    const u32 bits = float_bits(x);
    const int nan = (bits & 0x7fffffff) > 0x7f800000;
    union { u16 bits; __bf16 value; } result = {.bits = (u16)(nan ? (bits >> 16) | 0x40 : shifted(bits, 16))};
    return result.value;
}

__attribute__((visibility("default"))) _Float16 __truncsfhf2(float x) {
    const u32 bits = float_bits(x), magnitude = bits & 0x7fffffff;
    u32 half;
    if (magnitude > 0x7f800000) {
        half = 0x7e00;
    } else if (magnitude >= 0x477ff000) {  // rounds to more than the largest
        half = 0x7c00;
    } else if (magnitude >= 0x38800000) {
        half = shifted(magnitude - 0x38000000, 13);
    } else {  // subnormal: the significand, shifted to a unit of 2^-24
        const u32 shift = 126 - (magnitude >> 23);
        half = shift > 25 ? 0 : shifted((magnitude & 0x7fffff) | 0x800000, shift);
    }
    union { u16 bits; _Float16 value; } result = {.bits = (u16)(half | (bits >> 16 & 0x8000))};
    return result.value;
}

__attribute__((visibility("default"))) float __extendhfsf2(_Float16 x) {
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
