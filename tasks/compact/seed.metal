// compact: the elements of x that are above a threshold, in their order, without gaps.
//
//   compact_count    how many each block of 256 elements keeps, one threadgroup a block
//   compact_scan     first[b] = sum of count over the blocks before b; first[blocks] = how many are kept (one group)
//   compact_scatter  out[place] = x[i] for every kept i, place = how many are kept before i
#include <metal_stdlib>
using namespace metal;

constant uint BLOCK = 256;

kernel void compact_count(device const float *x         [[buffer(0)]],
                          device       uint  *count     [[buffer(1)]],
                          constant     uint  &N         [[buffer(2)]],
                          constant     float &threshold [[buffer(3)]],
                          uint i    [[thread_position_in_grid]],
                          uint lane [[thread_position_in_threadgroup]],
                          uint b    [[threadgroup_position_in_grid]]) {
    threadgroup uint kept[BLOCK];
    kept[lane] = i < N && x[i] > threshold ? 1 : 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lane == 0) {
        uint sum = 0;
        for (uint t = 0; t < BLOCK && b * BLOCK + t < N; ++t) sum += kept[t];
        count[b] = sum;
    }
}

kernel void compact_scan(device const uint *count  [[buffer(0)]],
                         device       uint *first  [[buffer(1)]],
                         constant     uint &blocks [[buffer(2)]],
                         uint tid [[thread_position_in_threadgroup]]) {
    if (tid > 0) return;
    uint sum = 0;
    for (uint b = 0; b < blocks; ++b) {
        first[b] = sum;
        sum += count[b];
    }
    first[blocks] = sum;
}

kernel void compact_scatter(device const float *x         [[buffer(0)]],
                            device const uint  *first     [[buffer(1)]],
                            device       float *out       [[buffer(2)]],
                            constant     uint  &N         [[buffer(3)]],
                            constant     float &threshold [[buffer(4)]],
                            uint i [[thread_position_in_grid]]) {
    if (i >= N || !(x[i] > threshold)) return;
    const uint start = i / BLOCK * BLOCK;
    uint place = first[i / BLOCK];
    for (uint t = start; t < i; ++t) place += x[t] > threshold ? 1 : 0;
    out[place] = x[i];
}
