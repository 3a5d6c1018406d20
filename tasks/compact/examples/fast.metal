// Idea: fewer threads that do more, and none that waits. One thread counts a block, and one places a block: it packs what it keeps into
// an array of its own, where the next element overwrites one that is not kept, so that no branch hangs on the data, and
// then copies it out in a row. The scan is done by all threads of its group: each sums a stretch of blocks, adds what
// stretches before it have, and goes over its own again.
#include <metal_stdlib>
using namespace metal;

constant uint BLOCK = 256;

kernel void compact_count(device const float *x         [[buffer(0)]],
                          device       uint  *count     [[buffer(1)]],
                          constant     uint  &N         [[buffer(2)]],
                          constant     float &threshold [[buffer(3)]],
                          uint lane [[thread_position_in_threadgroup]],
                          uint b    [[threadgroup_position_in_grid]]) {
    if (lane > 0) return;               // a block is 1 KB: one thread counts it as fast as 256 agree on it
    const uint end = min(N, (b + 1) * BLOCK);
    uint sum = 0;
    for (uint i = b * BLOCK; i < end; ++i) sum += x[i] > threshold ? 1 : 0;
    count[b] = sum;
}

kernel void compact_scan(device const uint *count  [[buffer(0)]],
                         device       uint *first  [[buffer(1)]],
                         constant     uint &blocks [[buffer(2)]],
                         uint tid [[thread_position_in_threadgroup]]) {
    threadgroup uint sums[BLOCK];
    const uint stretch = (blocks + BLOCK - 1) / BLOCK;
    const uint begin = min(blocks, tid * stretch);
    const uint end = min(blocks, begin + stretch);
    uint sum = 0;
    for (uint b = begin; b < end; ++b) sum += count[b];
    sums[tid] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint before = 0;
    for (uint t = 0; t < tid; ++t) before += sums[t];
    for (uint b = begin; b < end; ++b) {
        first[b] = before;
        before += count[b];
    }
    if (tid == BLOCK - 1) first[blocks] = before;
}

kernel void compact_scatter(device const float *x         [[buffer(0)]],
                            device const uint  *first     [[buffer(1)]],
                            device       float *out       [[buffer(2)]],
                            constant     uint  &N         [[buffer(3)]],
                            constant     float &threshold [[buffer(4)]],
                            uint i [[thread_position_in_grid]]) {
    if (i % BLOCK != 0) return;
    float kept[BLOCK];
    const uint end = min(N, i + BLOCK);
    uint count = 0;
    for (uint t = i; t < end; ++t) {
        kept[count] = x[t];
        count += x[t] > threshold ? 1 : 0;
    }
    const uint place = first[i / BLOCK];
    for (uint t = 0; t < count; ++t) out[place + t] = kept[t];
}
