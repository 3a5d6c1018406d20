// Idea: sums and prefix sums by simdgroup functions: 32 lanes agree without memory, and only the eight simdgroups of a group meet in
// threadgroup memory. A block is counted, and its elements find their places, with one barrier each; the scan takes 256
// blocks a round. Every element is read by its own thread, coalesced, and what is kept is written in a row.
#include <metal_stdlib>
using namespace metal;

constant uint BLOCK = 256;
constant uint SIMDGROUPS = 8;

// The sum of `value` over the threads before this one in the group; `total` is that over all of them.
static uint before_and_total(uint value, threadgroup uint *sums, uint tid, uint width, thread uint &total) {
    const uint inside = simd_prefix_exclusive_sum(value);
    const uint whole = simd_sum(value);
    threadgroup_barrier(mem_flags::mem_threadgroup);            // the sums of the round before have been read
    if (tid % 32 == 0) sums[tid / 32] = whole;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint before = inside;
    total = 0;
    for (uint s = 0; s < (width + 31) / 32; ++s) {
        if (s < tid / 32) before += sums[s];
        total += sums[s];
    }
    return before;
}

kernel void compact_count(device const float *x         [[buffer(0)]],
                          device       uint  *count     [[buffer(1)]],
                          constant     uint  &N         [[buffer(2)]],
                          constant     float &threshold [[buffer(3)]],
                          uint i     [[thread_position_in_grid]],
                          uint tid   [[thread_position_in_threadgroup]],
                          uint width [[threads_per_threadgroup]],
                          uint b     [[threadgroup_position_in_grid]]) {
    threadgroup uint sums[SIMDGROUPS];
    const uint kept = simd_sum(i < N && x[i] > threshold ? 1u : 0u);
    if (tid % 32 == 0) sums[tid / 32] = kept;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid > 0) return;
    uint total = 0;
    for (uint s = 0; s < (width + 31) / 32; ++s) total += sums[s];
    count[b] = total;
}

kernel void compact_scan(device const uint *count  [[buffer(0)]],
                         device       uint *first  [[buffer(1)]],
                         constant     uint &blocks [[buffer(2)]],
                         uint tid [[thread_position_in_threadgroup]]) {
    threadgroup uint sums[SIMDGROUPS];
    uint sum = 0;
    for (uint begin = 0; begin < blocks; begin += BLOCK) {
        const uint b = begin + tid;
        uint total;
        const uint before = before_and_total(b < blocks ? count[b] : 0, sums, tid, BLOCK, total);
        if (b < blocks) first[b] = sum + before;
        sum += total;
    }
    if (tid == 0) first[blocks] = sum;
}

kernel void compact_scatter(device const float *x         [[buffer(0)]],
                            device const uint  *first     [[buffer(1)]],
                            device       float *out       [[buffer(2)]],
                            constant     uint  &N         [[buffer(3)]],
                            constant     float &threshold [[buffer(4)]],
                            uint i     [[thread_position_in_grid]],
                            uint tid   [[thread_position_in_threadgroup]],
                            uint width [[threads_per_threadgroup]],
                            uint b     [[threadgroup_position_in_grid]]) {
    threadgroup uint sums[SIMDGROUPS];
    const float value = i < N ? x[i] : 0.0f;
    const bool kept = i < N && value > threshold;
    uint total;
    const uint before = before_and_total(kept ? 1u : 0u, sums, tid, width, total);
    if (kept) out[first[b] + before] = value;
}
