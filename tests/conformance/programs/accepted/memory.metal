// Address spaces (specification, 4): pointers and references say where they lead.
#include <metal_stdlib>
using namespace metal;

constant float table[4] = {1, 2, 4, 8};
constant int answer = 42;
static constant float2 vectors[2] = {float2(1, 2), float2(3, 4)};
constexpr constant float half_of_it = answer / 2;
constant float grid[2][2] = {{1, 2}, {3, 4}};

// gives 4 42 3 21
kernel void program_scope(device float *out) { out[0] = table[2]; out[1] = answer; out[2] = vectors[1].x; out[3] = half_of_it; }

// gives 3
kernel void tables_of_tables(device float *out) { out[0] = grid[1][0]; }

// gives 2 4
kernel void pointers_to_constants(device float *out) { constant float *p = table + 1; constant const float &r = table[2]; out[0] = *p; out[1] = r; }

// gives 3
kernel void pointers_to_device(device float *out) { device float *p = out; *p = 3; }

// gives 3 4
kernel void references_to_device(device float *out) { device float &r = out[0]; r = 3; device auto &s = out[1]; s = 4; }

// gives 7
kernel void pointers_to_thread(device float *out) { float a = 1; thread float *p = &a; *p += 6; out[0] = a; }

// gives 2
kernel void references_to_thread(device float *out) { float a = 1; thread float &r = a; r = 2; out[0] = a; }

void add(thread float &x, float y) { x += y; }
void add(device float &x, float y) { x -= y; }
// gives -1 3
kernel void overloads(device float *out) { float a = 1; out[0] = 1; add(out[0], 2); add(a, 2); out[1] = a; }

float sum(constant float *p, int n) { float s = 0; for (int k = 0; k < n; ++k) s += p[k]; return s; }
// gives 15
kernel void constants_as_arguments(device float *out) { out[0] = sum(table, 4); }

void fill(thread float (&a)[3], float x) { for (int k = 0; k < 3; ++k) a[k] = x; }
// gives 5 5
kernel void references_to_arrays(device float *out) { float a[3]; fill(a, 5); out[0] = a[0]; out[1] = a[2]; }

// A reference to a pointer needs no word for where the pointer is.
void advance(device float *&p) { ++p; }
// gives 1 9
kernel void references_to_pointers(device float *out) { device float *p = out; *p = 1; advance(p); *p = 9; }

// gives 6
kernel void pointers_to_pointers(device float *out) { device float *p = out; device float *thread *q = &p; **q = 6; }

// gives 2 3
kernel void qualifiers_behind_the_type(float device *out) { float device *p = out; const float constant *t = table; p[0] = t[1]; p[1] = 3; }

typedef device float *FloatPointer;
using Constant = const constant float;
// gives 8 1
kernel void aliases(device float *out) { FloatPointer p = out; Constant *t = table; p[0] = t[3]; p[1] = *t; }

// gives 1 2
kernel void deduced(device float *out) { auto p = out; auto *q = out + 1; p[0] = 1; *q = 2; auto &r = *q; out[1] = r; }

// gives 1 0
kernel void null(device float *out) { device float *p = nullptr; thread int *q = 0; out[0] = p == nullptr; out[1] = q != nullptr; }

// gives 2 1
kernel void arithmetic(device float *out) { device float *p = out + 3; out[0] = p - out - 1; out[1] = p > out; }

// gives 1 2 3 4
kernel void casts_within_a_space(device float *out) { device float4 *p = (device float4 *)out; p[0] = float4(1, 2, 3, 4); }

// gives 1065353216
kernel void reinterpretation(device float *out) { float one = 1; out[0] = *reinterpret_cast<thread uint *>(&one); }

// gives 3
kernel void void_pointers(device float *out) { device void *p = out; ((device float *)p)[0] = 3; }

// gives 5 6
kernel void pointers_to_arrays(device float *out) { device float(*row)[2] = (device float(*)[2])out; row[0][0] = 5; row[0][1] = 6; }

// gives 7
kernel void restricted(device float *__restrict out) { out[0] = 7; }

device float *second(device float *p) { return p + 1; }
// gives 0 4
kernel void pointers_returned(device float *out) { out[0] = 0; *second(out) = 4; }

thread float &larger(thread float &a, thread float &b) { return a > b ? a : b; }
// gives 1 9
kernel void references_returned(device float *out) { float a = 1, b = 2; larger(a, b) = 9; out[0] = a; out[1] = b; }

float at(const threadgroup float *t, uint i) { return t[i]; }
// gives 3
kernel void threadgroup_arrays(device float *out) { threadgroup float t[4]; t[2] = 3; out[0] = at(t, 2); }

// gives 5 6
kernel void threadgroup_variables(device float *out) { threadgroup float a, b; a = 5; b = a + 1; out[0] = a; out[1] = b; }

// gives 2
kernel void threadgroup_in_a_block(device float *out) { { threadgroup int t[2][2]; t[1][0] = 2; out[0] = t[1][0]; } }

float helper() { threadgroup float t; t = 4; return t; }
// gives 4
kernel void threadgroup_in_a_function(device float *out) { out[0] = helper(); }

// gives 16 8
kernel void threadgroup_aligned(device float *out) {
    threadgroup float a[4] __attribute__((aligned(16)));
    alignas(16) threadgroup float b[4];
    a[0] = 16; b[0] = 8;
    out[0] = a[0]; out[1] = b[0];
}

struct Tile { float cells[4]; float corner() const threadgroup { return cells[0] + cells[3]; } };
// gives 9
kernel void threadgroup_structs(device float *out) { threadgroup Tile t; t.cells[0] = 2; t.cells[3] = 7; out[0] = t.corner(); }

// gives 1 1
kernel void volatile_memory(volatile device float *out) { out[0] = 1; out[1] = out[0]; }
