// Packed vectors (specification, 2.2.3) and matrices (2.3).
#include <metal_stdlib>
using namespace metal;

// gives 12 4 8 6
kernel void sizes_of_packed(device float *out) { out[0] = sizeof(packed_float3); out[1] = alignof(packed_float3); out[2] = sizeof(packed_half4); out[3] = sizeof(packed_half3); }

// gives 1 2 3
kernel void packed_in_memory(device packed_float3 *out) { out[0] = packed_float3(1, 2, 3); }

// gives 2 4 6
kernel void packed_to_vector(device float *out) { packed_float3 p = packed_float3(1, 2, 3); float3 v = float3(p) * 2; out[0] = v.x; out[1] = v.y; out[2] = v.z; }

// gives 3 5
kernel void arithmetic_of_packed(device float *out) { packed_float3 p = packed_float3(1, 2, 3); float3 q = p * 2.0f + p; p.x += 4; out[0] = q.x; out[1] = p.x; }

// gives 1 9
kernel void packed_components(device float *out) { packed_float4 p = packed_float4(1, 2, 3, 4); p.y = 9; out[0] = p[0]; out[1] = p.y; }

struct Particle { packed_float3 position; float mass; };
// gives 16 7
kernel void packed_members(device float *out) { Particle p = {packed_float3(0, 0, 7), 1}; out[0] = sizeof(Particle); out[1] = p.position.z; }

// gives 3 8
kernel void packed_generic_name(device float *out) { packed_vec<float, 3> p = packed_vec<float, 3>(1, 2, 3); out[0] = p.z; out[1] = sizeof(packed_vec<half, 4>); }

// gives 1 0 0 1
kernel void diagonal(device float *out) { float2x2 m = float2x2(1); out[0] = m[0][0]; out[1] = m[0][1]; out[2] = m[1][0]; out[3] = m[1][1]; }

// gives 1 2 3 4
kernel void columns(device float *out) { float2x2 m = float2x2(float2(1, 2), float2(3, 4)); out[0] = m[0].x; out[1] = m[0].y; out[2] = m[1].x; out[3] = m[1].y; }

// gives 7 10
kernel void matrix_times_vector(device float *out) { float2x2 m = float2x2(1, 2, 3, 4); float2 v = m * float2(1, 2); out[0] = v.x; out[1] = v.y; }

// gives 5 11
kernel void vector_times_matrix(device float *out) { float2 v = float2(1, 2) * float2x2(1, 2, 3, 4); out[0] = v.x; out[1] = v.y; }

// gives 7 10 15 22
kernel void matrix_times_matrix(device float *out) { float2x2 m = float2x2(1, 2, 3, 4); m = m * m; out[0] = m[0][0]; out[1] = m[0][1]; out[2] = m[1][0]; out[3] = m[1][1]; }

// gives 3 -2
kernel void transpose_and_determinant(device float *out) { float2x2 m = float2x2(1, 2, 3, 4); out[0] = transpose(m)[0][1]; out[1] = determinant(m); }

// gives 16 48 64 32
kernel void sizes_of_matrices(device float *out) { out[0] = sizeof(float2x2); out[1] = sizeof(float3x3); out[2] = sizeof(float4x4); out[3] = sizeof(half4x4); }

// gives 9 2
kernel void assigned_columns(device float *out) { float3x3 m = float3x3(1); m[1] = float3(9, 2, 0); out[0] = m[1][0]; out[1] = m[1][1]; }

// gives 6
kernel void generic_matrix(device float *out) { matrix<float, 2, 3> m = matrix<float, 2, 3>(float3(1), float3(2)); out[0] = m[1].x + m[1].y + m[1].z; }
