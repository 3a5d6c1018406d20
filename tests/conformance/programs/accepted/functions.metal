// Functions, namespaces, control flow.
#include <metal_stdlib>
using namespace metal;

float later(float x);
// gives 4
kernel void declared_first(device float *out) { out[0] = later(2); }
float later(float x) { return x * 2; }

static inline float inlined(float x) { return x + 1; }
// gives 3
kernel void inline_functions(device float *out) { out[0] = inlined(2); }

METAL_FUNC float with_macro(float x) { return x - 1; }
// gives 1
kernel void metal_func(device float *out) { out[0] = with_macro(2); }

float with_default(float x, float y = 10) { return x + y; }
// gives 11 3
kernel void default_arguments(device float *out) { out[0] = with_default(1); out[1] = with_default(1, 2); }

float area(float r) { return r; }
float area(float2 r) { return area(r.x) * area(r.y); }
// Not a recursion: the other overload is called.
// gives 6
kernel void overloads(device float *out) { out[0] = area(float2(2, 3)); }

float max(float3 v) { return max(v.x, max(v.y, v.z)); }
// gives 5
kernel void overloads_of_the_library(device float *out) { out[0] = max(float3(1, 5, 2)); }

constexpr int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
constant int tenth = fibonacci(10);
// Done by the compiler.
// gives 55
kernel void recursion_at_compile_time(device float *out) { out[0] = tenth; }

namespace physics { constant float g = 9.5; namespace units { float metres(float x) { return x * 100; } } }
namespace ph = physics;
// gives 9.5 200 9.5
kernel void namespaces(device float *out) { out[0] = physics::g; out[1] = physics::units::metres(2); out[2] = ph::g; }

// gives 2 2
kernel void qualified_names(device float *out) { out[0] = metal::sqrt(4.0f); out[1] = ::metal::fma(1.0f, 1.0f, 1.0f); }

// gives 10 5
kernel void loops(device float *out) {
    int n = 0, k = 0;
    for (int i = 0; i < 5; ++i) n += i;
    while (true) { if (++k == 5) break; else continue; }
    do { --k; } while (k < 0);
    out[0] = n; out[1] = k + 1;
}

// gives 2 7
kernel void switches(device float *out) {
    for (int i = 0; i < 2; ++i) {
        switch (i) {
            case 0: out[i] = 1;
            case 5: out[i] += 1; break;
            default: out[i] = 7;
        }
        if (i == 0) out[i] = 2;
    }
}

// gives 1 3
kernel void conditions(device float *out) { int a = 1; out[0] = a > 0 && !(a > 1) ? 1 : 0; if (int b = a + 2) out[1] = b; }

// gives 3 2
kernel void ranges(device float *out) { array<float, 3> unused; float a[3] = {0, 1, 2}; float s = 0; for (float x : a) s += x; out[0] = s; out[1] = unused.size() - 1; }

// gives 6 4
kernel void ranges_of_arrays(device float *out) { array<float, 3> a = {1, 2, 3}; a[0] = 1; out[1] = a.size() + 1; float s = 0; for (auto x : a) s += x; out[0] = s; }

// gives 4
kernel void commas(device float *out) { int a = 0; for (int i = 0, j = 2; i < 2; ++i, ++j) a = j + 1; out[0] = a; }

// gives 1 2
kernel void scopes(device float *out) { int a = 2; { int a = 1; out[0] = a; } out[1] = a; }

// gives 4
kernel void structured_returns(device float *out) { struct { float a; } s; s.a = 4; out[0] = s.a; }

// gives 8
kernel void pragmas(device float *out) {
    float s = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) s += 1;
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; ++i) s += 1;
    out[0] = s;
}

[[maybe_unused]] static float unused(float x) { return x; }
// gives 1
kernel void standard_attributes(device float *out, [[maybe_unused]] uint i [[thread_position_in_grid]]) { out[0] = 1; }

inline __attribute__((always_inline)) float gnu(float x) { return x; }
// gives 6
kernel void gnu_attributes(device float *out) { out[0] = gnu(6); }

static_assert(sizeof(float4) == 16, "padded");
// gives 1
kernel void static_assertions(device float *out) { static_assert(alignof(float3) == 16, ""); out[0] = 1; }

void nothing() {}
// gives 1
kernel void void_functions(device float *out) { nothing(); out[0] = 1; return; }
