// Scalar types and literals. Each kernel is run by one thread; `gives` is what it leaves in `out`.
#include <metal_stdlib>
using namespace metal;

// A literal without a suffix is a float, so this is no arithmetic of doubles.
// gives 0.1 4
kernel void literals_are_floats(device float *out) { out[0] = 0.1; out[1] = sizeof(0.1); }

// gives 0.5 2
kernel void half_literals(device float *out) { out[0] = 0.5h; out[1] = sizeof(0.5H); }

// gives 0.5 2 3
kernel void bfloat_literals(device float *out) { out[0] = 0.5bf; out[1] = sizeof(1.5BF); out[2] = float(3bf); }

// gives 255 10 8 1000000
kernel void integer_literals(device float *out) { out[0] = 0xFF; out[1] = 0b1010; out[2] = 010; out[3] = 1'000'000; }

// gives 4 8 8
kernel void suffixes_of_integers(device float *out) { out[0] = sizeof(1u); out[1] = sizeof(1l); out[2] = sizeof(1ul); }

// gives 8 0.75
kernel void hexadecimal_floats(device float *out) { out[0] = 0x1p3; out[1] = 0x1.8p-1f; }

// gives 1 1 2 2 4 4 8 8
kernel void sizes_of_integers(device float *out) {
    out[0] = sizeof(char); out[1] = sizeof(uchar); out[2] = sizeof(short); out[3] = sizeof(ushort);
    out[4] = sizeof(int); out[5] = sizeof(uint); out[6] = sizeof(long); out[7] = sizeof(ulong);
}

// gives 1 2 2 4 8 8
kernel void sizes_of_others(device float *out) {
    out[0] = sizeof(bool); out[1] = sizeof(half); out[2] = sizeof(bfloat);
    out[3] = sizeof(float); out[4] = sizeof(size_t); out[5] = sizeof(ptrdiff_t);
}

// gives 1 2 4 8
kernel void sized_names(device float *out) {
    out[0] = sizeof(int8_t); out[1] = sizeof(uint16_t); out[2] = sizeof(int32_t); out[3] = sizeof(uint64_t);
}

// `char` is signed.
// gives -1 255
kernel void signs(device float *out) { char a = -1; uchar b = -1; out[0] = a; out[1] = b; }

// gives 3 -3
kernel void floats_are_cut_to_integers(device float *out) { out[0] = int(3.9f); out[1] = int(-3.9f); }

// gives 1 0 1
kernel void truth_of_numbers(device float *out) { out[0] = bool(2); out[1] = bool(0.0f); out[2] = bool(0.5h); }

// gives 2 2
kernel void half_to_bfloat_and_back(device float *out) {
    half h = half(2.0f);
    bfloat b = bfloat(h);
    half again = half(b);
    out[0] = float(b);
    out[1] = again;
}

// gives 1.5 3
kernel void arithmetic_of_bfloat(device float *out) { bfloat a = bfloat(1.5f); out[0] = float(a); out[1] = float(a + a); }

// gives -2 -1 1
kernel void division_cuts(device float *out) { out[0] = -5 / 2; out[1] = -5 % 2; out[2] = 5 % -2; }

// gives 4294967295 0
kernel void unsigned_numbers_wrap(device float *out) { uint a = 0; a -= 1; out[0] = a; a += 1; out[1] = a; }

// gives 5 7 1 6
kernel void enumerations(device float *out) {
    enum Plain { A = 5, B = 7 };
    enum class Scoped : uchar { C = 1, D = 6 };
    out[0] = A; out[1] = B; out[2] = float(uchar(Scoped::C)); out[3] = static_cast<float>(Scoped::D);
}

// gives 3 1.5
kernel void deduced_types(device float *out) { auto n = 3; decltype(1.0f) x = 1.5; out[0] = n; out[1] = x; }

// gives 1065353216 1
kernel void bits(device float *out) { out[0] = as_type<uint>(1.0f); out[1] = as_type<float>(0x3F800000); }

// gives 15360 1
kernel void bits_of_halves(device float *out) { out[0] = as_type<ushort>(1.0h); out[1] = as_type<half>(ushort(15360)); }

// gives 1 2 1
kernel void braces_initialise(device float *out) { float a{1}; int b = {2}; uint c{1u}; out[0] = a; out[1] = b; out[2] = c; }
