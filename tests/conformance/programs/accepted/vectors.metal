// Vectors: constructors, components, arithmetic (specification, 2.2).
#include <metal_stdlib>
using namespace metal;

// gives 1 2 3 4
kernel void constructor_of_scalars(device float *out) { float4 v = float4(1, 2, 3, 4); for (int i = 0; i < 4; ++i) out[i] = v[i]; }

// gives 1 2 3 4
kernel void constructor_of_parts(device float *out) {
    float4 v = float4(1, float2(2, 3), 4);
    out[0] = v.x; out[1] = v.y; out[2] = v.z; out[3] = v.w;
}

// gives 5 5 5
kernel void constructor_of_one(device float *out) { float3 v = float3(5); out[0] = v.x; out[1] = v.y; out[2] = v.z; }

// gives 1 2 3 4
kernel void constructor_of_three_and_one(device float *out) { float4 v = float4(float3(1, 2, 3), 4); out[0] = v.r; out[1] = v.g; out[2] = v.b; out[3] = v.a; }

// gives 3 -3
kernel void constructor_converts(device float *out) { int2 v = int2(float2(3.7f, -3.7f)); out[0] = v.x; out[1] = v.y; }

// gives 1 2 7
kernel void declared_with_arguments(device float *out) { float2 a(1, 2), b(a); const metal::float3 c(b, 7); out[0] = a.x; out[1] = b.y; out[2] = c.z; }

// gives 2 2
kernel void scalars_spread(device float *out) { float2 v = 2; out[0] = v.x; out[1] = v.y; }

// gives 4 3 2 1
kernel void components_reversed(device float *out) { float4 v = float4(1, 2, 3, 4).wzyx; out[0] = v.x; out[1] = v.y; out[2] = v.z; out[3] = v.w; }

// gives 1 1 2 2
kernel void components_repeated(device float *out) { float4 v = float2(1, 2).xxyy; out[0] = v.x; out[1] = v.y; out[2] = v.z; out[3] = v.w; }

// gives 8 2 3 7
kernel void components_assigned(device float *out) {
    float4 v = float4(1, 2, 3, 4);
    v.wx = float2(7, 8);
    out[0] = v.x; out[1] = v.y; out[2] = v.z; out[3] = v.w;
}

// gives 1 5 3
kernel void component_by_index(device float *out) { float3 v = float3(1, 2, 3); for (uint i = 1; i < 2; ++i) v[i] = 5; out[0] = v[0]; out[1] = v[1]; out[2] = v[2]; }

// gives 3 2
kernel void colours(device float *out) { float4 c = float4(1, 2, 3, 4); out[0] = c.bgr.x; out[1] = c.bgr.y; }

// gives 4 10 0 2
kernel void arithmetic(device float *out) {
    float2 a = float2(1, 4), b = float2(3, 6);
    out[0] = (a + b).x; out[1] = (a + b).y; out[2] = (b - 3).x; out[3] = (b / a).x - 1;
}

// gives 2 4 6
kernel void arithmetic_with_scalars(device float *out) { float3 v = 2 * float3(1, 2, 3); out[0] = v.x; out[1] = v.y; out[2] = v.z; }

// gives 1 0
kernel void comparison(device float *out) { bool2 b = float2(1, 2) < float2(2, 1); out[0] = b.x; out[1] = b.y; }

// gives 5 -3
kernel void compound_assignment(device float *out) { int2 v = int2(2, 3); v += 3; v.y -= 9; out[0] = v.x; out[1] = v.y; }

// gives 12 3 8 4
kernel void bits_of_vectors(device float *out) { uint2 v = uint2(12, 15); out[0] = (v & 12).x; out[1] = (v >> 2).y; out[2] = (v ^ 4).x; out[3] = (v & ~11).y; }

// gives -1 -2 1
kernel void negation(device float *out) { float2 v = -float2(1, 2); out[0] = v.x; out[1] = v.y; out[2] = (~int2(-2)).x; }

// gives 8 16 16 4
kernel void sizes(device float *out) { out[0] = sizeof(float2); out[1] = sizeof(float3); out[2] = sizeof(float4); out[3] = sizeof(uchar3); }

// gives 3 6
kernel void generic_name(device float *out) { vec<float, 3> v = vec<float, 3>(1, 2, 3); vec<half, 2> w = vec<half, 2>(half(6)); out[0] = v.z; out[1] = w.y; }

// gives 1 2
kernel void vectors_of_bfloat(device float *out) { bfloat2 v = bfloat2(bfloat(1.0f), bfloat(2.0f)); float2 w = float2(v); out[0] = w.x; out[1] = w.y; }

// gives 1.5 3
kernel void halves_and_bfloats(device float *out) { half2 h = half2(1.5h, 3.0h); bfloat2 b = bfloat2(h); h = half2(b); out[0] = h.x; out[1] = h.y; }

// gives 1 2 3 4
kernel void vectors_in_memory(device float4 *out) { out[0] = float4(1, 2, 3, 4); }

// gives 9 2
kernel void component_of_memory(device float2 *out) { out[0] = float2(1, 2); out[0].x = 9; }

// gives 1 2 3
kernel void braces(device float *out) { float3 v = {1, 2, 3}; out[0] = v.x; out[1] = v.y; out[2] = v.z; }

// gives 2 4
kernel void increments(device float *out) { int2 v = int2(1, 3); ++v; out[0] = v.x; out[1] = v.y; }

// gives 3 1
kernel void named_by_aliases(device float *out) { using V = float2; typedef uint3 W; V v = V(3, 4); W w = W(1); out[0] = v.x; out[1] = w.z; }

// gives 1 0 1 1
kernel void bits_as_vectors(device float *out) {
    uchar4 bytes = as_type<uchar4>(0x01010001u);
    out[0] = bytes.x; out[1] = bytes.y; out[2] = bytes.z; out[3] = bytes.w;
}
