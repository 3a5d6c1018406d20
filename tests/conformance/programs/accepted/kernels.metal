// What a kernel may receive, and where its attributes stand (specification, 5).
#include <metal_stdlib>
#include <metal_atomic>
#include <metal_simdgroup>
using namespace metal;

// gives 1
[[kernel]] void attribute_form(device float *out [[buffer(0)]]) { out[0] = 1; }

// gives 1
[[max_total_threads_per_threadgroup(64)]] kernel void limited(device float *out [[buffer(0)]]) { out[0] = 1; }

constant uint limit = 32;
// gives 1
[[max_total_threads_per_threadgroup(limit * 2)]]
kernel void limited_by_a_constant(device float *out [[buffer(0)]]) { out[0] = 1; }

// gives 0 1 1 0
kernel void positions(device float *out, uint3 i [[thread_position_in_grid]], uint3 n [[threads_per_grid]],
                      uint3 w [[threads_per_threadgroup]], uint3 g [[threadgroup_position_in_grid]]) {
    out[0] = i.x; out[1] = n.y; out[2] = w.z; out[3] = g.x;
}

// gives 0 0 1
kernel void positions_of_two_types(device float *out, uint2 i [[thread_position_in_grid]],
                                   ushort2 t [[thread_position_in_threadgroup]], ushort2 n [[threadgroups_per_grid]]) {
    out[0] = i.x; out[1] = t.y; out[2] = n.x;
}

// gives 0 0 0 32 1
kernel void indices(device float *out, uint t [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                    ushort simd [[simdgroup_index_in_threadgroup]], uint width [[threads_per_simdgroup]],
                    uint n [[simdgroups_per_threadgroup]]) {
    out[0] = t; out[1] = lane; out[2] = simd; out[3] = width; out[4] = n;
}

// gives 0 0 1
kernel void quads(device float *out, uint lane [[thread_index_in_quadgroup]], uint quad [[quadgroup_index_in_threadgroup]],
                  uint n [[quadgroups_per_threadgroup]]) { out[0] = lane; out[1] = quad; out[2] = n; }

// gives 0 1 1
kernel void dispatched(device float *out, uint3 o [[grid_origin]], uint3 s [[grid_size]],
                       uint3 w [[dispatch_threads_per_threadgroup]]) { out[0] = o.x; out[1] = s.x; out[2] = w.x; }

// gives 32
kernel void execution_width(device float *out, uint w [[thread_execution_width]]) { out[0] = w; }

// gives 3
kernel void constant_reference(device float *out, constant uint &n [[buffer(1)]]) { out[0] = n ? 3 : 4; }

// gives 3
kernel void constant_pointer(device float *out, constant uint *n [[buffer(1)]]) { out[0] = n[0] ? 3 : 4; }

struct Parameters { uint n; uint m; };
// gives 1
kernel void constant_struct(device float *out, constant Parameters &p [[buffer(1)]]) { out[0] = p.n == p.m || true; }

// gives 2 0
kernel void indices_out_of_order(constant uint &n [[buffer(3)]], device float *out [[buffer(0)]]) { out[0] = 2; out[1] = n * 0; }

// gives 5
kernel void atomics(device float *out) { device atomic_int *n = (device atomic_int *)(out + 8); atomic_store_explicit(n, 5, memory_order_relaxed); out[0] = atomic_load_explicit(n, memory_order_relaxed); }

// gives 3
kernel void barriers(device float *out) { threadgroup float t; t = 3; threadgroup_barrier(mem_flags::mem_threadgroup); out[0] = t; simdgroup_barrier(mem_flags::mem_none); }

// gives 2
kernel void simdgroups(device float *out) { out[0] = simd_sum(2.0f); }

// gives 6
kernel void buffers_of_vectors(device float3 *out [[buffer(0)]]) { out[0] = float3(6); }

// gives 4
kernel void unnamed(device float *out, uint [[thread_position_in_grid]]) { out[0] = 4; }

#define OUT device float *out [[buffer(0)]]
#define INDEX uint i [[thread_position_in_grid]]
// gives 9
kernel void parameters_by_macro(OUT, INDEX) { out[i] = 9; }

// gives 1
kernel void last(device float *out) { out[0] = 1; }
