// Barriers that not every thread of a group comes to.
#include <metal_stdlib>
using namespace metal;

kernel void returns_early(device const float *x, device float *out, constant uint &n, uint l [[thread_index_in_threadgroup]],
                          uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    if (i >= n) return;
    tile[l] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);  //! returns_early: barrier in divergent control flow: thread 100 of threadgroup 1 has ended
    out[i] = tile[l];
}

// Whole groups may return: nobody waits for them.
kernel void groups_return(device const float *x, device float *out, constant uint &n, uint l [[thread_index_in_threadgroup]],
                          uint i [[thread_position_in_grid]], uint group [[threadgroup_position_in_grid]]) {
    threadgroup float tile[64];
    if (group == 2) return;
    tile[l] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l >= n) return;
    out[i] = tile[63 - l];
}

kernel void in_one_branch(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    if (l < 32) threadgroup_barrier(mem_flags::mem_threadgroup);  //! in_one_branch: barrier in divergent control flow: thread 32 of threadgroup 0 has ended
    out[i] = 1;
}

kernel void in_both_branches(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    if (l < 10)
        threadgroup_barrier(mem_flags::mem_threadgroup);  //@ first_branch
    else
        threadgroup_barrier(mem_flags::mem_threadgroup);  //! in_both_branches: thread 10 of threadgroup 0 waits here, and thread 0 of threadgroup 0 at the barrier in line @first_branch
    out[i] = 1;
}

kernel void trip_counts_differ(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    for (uint k = 0; k < 1 + l % 3; ++k)
        threadgroup_barrier(mem_flags::mem_threadgroup);  //! trip_counts_differ: thread 1 of threadgroup 0 waits here, and thread 0 of threadgroup 0 at the barrier in line @after_the_loop
    threadgroup_barrier(mem_flags::mem_threadgroup);  //@ after_the_loop
    out[i] = 1;
}

kernel void trip_counts_differ_at_the_end(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    out[i] = 1;
    for (uint k = 0; k < 1 + l % 3; ++k)
        threadgroup_barrier(mem_flags::mem_threadgroup);  //! trip_counts_differ_at_the_end: thread 0 of threadgroup 0 has ended
}

static void step(threadgroup float *tile, uint l) {
    threadgroup_barrier(mem_flags::mem_threadgroup);  //! helper_in_a_branch: barrier in divergent control flow: thread 0 of threadgroup 0 has ended
    tile[l] += 1;
}
kernel void helper_in_a_branch(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = 0;
    if (l > 0) step(tile, l);
    out[i] = tile[l];
}
kernel void helper_in_a_loop(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = 0;
    for (uint k = 0; k < 5; ++k) {
        if (k % 2) step(tile, l);
    }
    out[i] = tile[l];
}

// Flow that differs between groups is uniform within each.
kernel void trip_counts_of_groups(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]],
                                  uint group [[threadgroup_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = l;
    for (uint k = 0; k < group; ++k) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const float next = tile[(l + 1) % 64];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile[l] = next;
    }
    out[i] = tile[l];
}

// Lanes of a simdgroup may part: those that come to a function together take part in it. Beyond the end of a simdgroup
// lanes have their own values; those of lanes that are not active may be read, and make no difference here.
kernel void lanes_part(device const float *x, device float *out, uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
    float value = x[i];
    if (lane % 3 == 0) value = simd_sum(value);
    else value += simd_max(value);
    const float next = lane % 3 == 1 ? simd_shuffle_down(value, 1) : 0.0f;
    const float other = lane % 3 == 1 ? simd_shuffle_xor(value, 1) : 0.0f;
    out[i] = quad_max(value) + (lane == 31 ? next : 0.0f) + (lane == 0 ? other : 0.0f);
}

kernel void inactive_neighbour(device const float *x, device float *out, uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
    out[i] = 0;
    if (lane % 16 > 0) out[i] = simd_shuffle_up(x[i], 1);  //! inactive_neighbour: results depend on a value that thread 1 of threadgroup 0 reads from lane 0 of its simdgroup, which is not active here … 16 times in all
}

kernel void inactive_in_a_quad(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = i % 4 == 2 ? quad_broadcast(x[i], 1) : 0.0f;  //! inactive_in_a_quad: thread 2 of threadgroup 0 reads from lane 1 of its simdgroup
}

// The last simdgroup is not whole: its lanes from 4 on are not there.
kernel void beyond_the_group(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float sum = x[i];
    for (ushort step = 16; step > 0; step /= 2) sum += simd_shuffle_down(sum, step);  //! beyond_the_group: thread 96 of threadgroup 1 reads from lane 16 of its simdgroup
    out[i] = i % 32 == 0 ? sum : 0.0f;
}
kernel void guarded_beyond_the_group(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float sum = x[i];
    for (ushort step = 16; step > 0; step /= 2) {
        const float other = simd_shuffle_down(sum, step);
        if (i % 32 + step < 100 - i / 32 * 32) sum += other;
    }
    out[i] = i % 32 == 0 ? sum : 0.0f;
}

kernel void rotates_in_a_branch(device const float4 *x, device float4 *out, uint i [[thread_position_in_grid]]) {
    out[i] = 0;
    if (i % 2 == 0) out[i] = simd_shuffle_rotate_up(x[i], 3);  //! rotates_in_a_branch: thread 0 of threadgroup 0 reads from lane 29 of its simdgroup
}
