// Accesses that leave what an argument, a variable or an array has, in each address space; and those that just do not.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

// The classic: the neighbour of the last element.
kernel void reads_past_the_end(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[i + 1];  //! reads_past_the_end: read of x[256], beyond the end of buffer 0 'x' (256 elements, 1,024 bytes), by thread 255 of threadgroup 3
}

kernel void writes_past_the_end(device float *out, constant uint &n, uint i [[thread_position_in_grid]]) {
    out[i] = i;  //! writes_past_the_end: write to out[100], beyond the end of buffer 0 'out' (100 elements, 400 bytes), by thread 100 of threadgroup 1; 156 times in all
}

// An unsigned index that wraps around leads 16 GiB away and still belongs to its buffer.
kernel void wraps_around(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[i - 1];  //! wraps_around: read of x[4294967295], beyond the end of buffer 0 'x' … by thread 0 of threadgroup 0
}

kernel void before_the_start(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[int(i) - 1];  //! before_the_start: read of x[-1], before the start of buffer 0 'x' … by thread 0 of threadgroup 0
}

kernel void guarded(device const float *x, device float *out, constant uint &n, uint i [[thread_position_in_grid]]) {
    if (i < n) out[i] = (i > 0 ? x[i - 1] : 0) + (i + 1 < n ? x[i + 1] : 0);
}

// The whole of a vector counts, not its first element.
kernel void vector_past_the_end(device const float *x, device float4 *out, uint i [[thread_position_in_grid]]) {
    out[i] = *(device const float4 *)(x + 4 * i);  //! vector_past_the_end: read of x[256], beyond the end of buffer 0 'x' … by thread 64 of threadgroup 1
}

// An element of a vector is one access, and in bounds although the vector is not.
kernel void element_of_a_vector_in_bounds(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    if (i == 0) out[i] = ((device const float4 *)(x))[63].y;
    else out[i] = ((device const packed_float2 *)(x + 1))[i % 127][1];
}

kernel void struct_past_the_end(device const float4 *x, device float *out, uint i [[thread_position_in_grid]]) {
    struct Body { float3 position; float3 velocity; };
    out[i] = ((device const Body *)x)[i % 256].velocity.x;  //! struct_past_the_end: read of x[257], beyond the end of buffer 0 'x'
}

// A constant argument has as many elements as the host has bound.
kernel void constants_past_the_end(constant float4 *k, device float4 *out, uint i [[thread_position_in_grid]]) {
    out[i] = k[i % 5];  //! constants_past_the_end: read of k[4], beyond the end of buffer 0 'k' (4 elements, 64 bytes)
}

constant float TABLE[8] = {1, 2, 3, 4, 5, 6, 7, 8};
kernel void table_past_the_end(device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = TABLE[i % 9];  //! table_past_the_end: index 8 is outside 'TABLE', of type float[8]; thread 8 of threadgroup 0 ends here
}

static float looked_up(constant float *table, uint index) { return table[index]; }
kernel void table_through_a_pointer(device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = looked_up(TABLE, i % 8);
}

// One row of a two-dimensional array is not the next.
kernel void row_past_the_end(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[8][8];
    tile[l / 8][l % 8] = l;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[l / 8][l % 8 + 1];  //! row_past_the_end: index 8 is outside 'tile', of type float[8]; thread 7 of threadgroup 0
}

// Two variables that lie one after the other are two.
static void fill(threadgroup float *a, uint n, uint l) {
    for (uint k = l; k < n; k += 64) a[k] = k;  //! variable_past_the_end: write to first[64], beyond the end of threadgroup variable 'first' (64 elements, 256 bytes), by thread 0 of threadgroup 0
}
kernel void variable_past_the_end(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float first[64];
    threadgroup float second[64];
    second[l] = l;
    fill(first, 65, l);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = first[63 - l] + second[63 - l];
}

kernel void argument_past_the_end(device float *out, threadgroup float *scratch, uint l [[thread_index_in_threadgroup]],
                                  uint i [[thread_position_in_grid]]) {
    scratch[l] = l;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = scratch[l + 1];  //! argument_past_the_end: read of scratch[64], beyond the end of threadgroup argument 0 'scratch' (64 elements, 256 bytes), by thread 63 of threadgroup 0
}

// So far away that it is no longer in threadgroup memory at all.
kernel void variable_far_away(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    threadgroup float *t = tile;
    t[l] = l;
    t[l * 100000] = 1;  //! variable_far_away: write to tile[100000], beyond the end of threadgroup variable 'tile' (64 elements, 256 bytes), by thread 1
    t[-int(l) * 4000] = 1;  //! variable_far_away: write to tile[-4000], before the start of threadgroup variable 'tile' | variable_far_away: write to memory through a pointer into no buffer
    out[i] = 1;
}

kernel void private_past_the_end(device float *out, uint i [[thread_position_in_grid]]) {
    float window[4] = {1, 2, 3, 4};
    out[i] = window[i % 5];  //! private_past_the_end: index 4 is outside 'window', of type float[4]; thread 4 of threadgroup 0
}

kernel void vector_element_past_the_end(device float *out, uint i [[thread_position_in_grid]]) {
    float4 v = 1;
    out[i] = v[i % 5];  //! vector_element_past_the_end: index 4 is outside 'v', of type float4; thread 4 of threadgroup 0
}

kernel void metal_array_past_the_end(device float *out, uint i [[thread_position_in_grid]]) {
    array<float, 4> a = {{1, 2, 3, 4}};
    float4x4 m = float4x4(1);
    out[i] = a[i % 5];  //! metal_array_past_the_end: index 4 is outside 'a'; thread 4 of threadgroup 0
    out[i] += m[i % 6][0];  //! metal_array_past_the_end: index 5 is outside 'm'; thread 5 of threadgroup 0
}

kernel void matrices_and_arrays(device float *out, device float4x4 *matrices, uint i [[thread_position_in_grid]]) {
    array<float, 4> a = {{1, 2, 3, 4}};
    matrices[i][i % 4][3 - i % 4] = a[i % 4];
    float3x3 m = float3x3(2);
    out[i] = (m * float3(1))[i % 3] + matrices[i][3][3];
}

kernel void atomic_past_the_end(device atomic_uint *counts, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(&counts[i % 17], 1u, memory_order_relaxed);  //! atomic_past_the_end: atomic operation on counts[16], beyond the end of buffer 0 'counts' (16 elements, 64 bytes), by thread 16
}

kernel void matrix_past_the_end(device const float *x, device float *out, uint l [[thread_index_in_simdgroup]]) {
    simdgroup_float8x8 m;
    simdgroup_load(m, x + 200, 8);  //! matrix_past_the_end: read of x[256], beyond the end of buffer 0 'x'
    simdgroup_store(m, out, 8);
}

kernel void matrix_product(device const float *x, device float *out, uint l [[thread_index_in_simdgroup]]) {
    threadgroup float tile[64];
    simdgroup_float8x8 a, b, c = make_filled_simdgroup_matrix<float, 8, 8>(0.f);
    simdgroup_load(a, x, 8);
    simdgroup_load(b, x + 64, 8, ulong2(0, 0), true);
    simdgroup_multiply_accumulate(c, a, b, c);
    simdgroup_store(c, tile, 8);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    simdgroup_load(a, tile, 8);
    simdgroup_store(a, out, 8);
}

// From the middle of a buffer on there is only the rest of it.
kernel void past_the_end_of_a_slice(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[i];  //! past_the_end_of_a_slice: read of x[128], beyond the end of buffer 0 'x' (128 elements, 512 bytes), by thread 128 of threadgroup 2
}

kernel void slices(device const float *first, device const float *second, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = first[i] + second[i];
}

// What lies before it in the same buffer can be reached: views of reversed arrays are bound so.
kernel void backwards_from_a_slice(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[-int(i)];
}

kernel void too_far_back_from_a_slice(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[-int(i)];  //! too_far_back_from_a_slice: read of x[-129], before the start of buffer 0 'x' (128 elements, 512 bytes), by thread 129 of threadgroup 2
}

kernel void writes_to_constants(device const float *x, constant float *k, uint i [[thread_position_in_grid]]) {
    ((device float *)x)[i] = 1;  //! writes_to_constants: write to x[0], though buffer 0 'x' is declared const or constant
    *(device float *)(ulong)k = 1;  //! writes_to_constants: write to k[0], though buffer 1 'k' is declared const or constant
}

kernel void invented_pointer(device const ulong *addresses, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = *(device float *)addresses[i];  //! invented_pointer: read of memory through a pointer into no buffer and no threadgroup variable, by thread 0
}

kernel void misaligned_vector(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = ((device const float4 *)(x + 1))[i % 32].x;
    out[i] += dot(((device const float4 *)(x + 1))[i % 32], 1.0f);  //! misaligned_vector: misaligned read of 16 bytes at byte 4 of buffer 0 'x', by thread 0 … multiple of 16 bytes
}

kernel void misaligned_atomic(device uchar *bytes, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit((device atomic_uint *)(bytes + 6), 1u, memory_order_relaxed);  //! misaligned_atomic: misaligned atomic operation on 4 bytes at byte 6 of buffer 0 'bytes'
}

kernel void packed_anywhere(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    packed_float3 p = *(device const packed_float3 *)(x + i % 253);
    float4 q = float4(*(device const packed_float4 *)(x + 1 + i % 252));
    out[i] = p[0] + p[2] + q.w;
}

// Whose argument has no size: as in llama.cpp, whose kernels take each tensor so.
kernel void past_the_end_of_anything(device const void *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = ((device const float *)x)[i + 1];  //! past_the_end_of_anything: read of x[1024], beyond the end of buffer 0 'x' (1,024 elements, 1,024 bytes), by thread 255 of threadgroup 3
}

struct declared;
kernel void of_a_struct_only_declared(device const declared *x, device void *out, uint i [[thread_position_in_grid]]) {
    ((device float *)out)[i] = ((device const float *)x)[i];
}
