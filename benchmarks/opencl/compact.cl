// The seed kernels of tasks/compact in OpenCL C.
enum { BLOCK = 256 };

__kernel void compact_count(__global const float *x,
                            __global uint *count,
                            const uint N,
                            const float threshold) {
    const uint i = get_global_id(0);
    const uint lane = get_local_id(0);
    const uint b = get_group_id(0);
    __local uint kept[BLOCK];
    kept[lane] = i < N && x[i] > threshold ? 1 : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane == 0) {
        uint sum = 0;
        for (uint t = 0; t < BLOCK && b * BLOCK + t < N; ++t) sum += kept[t];
        count[b] = sum;
    }
}

__kernel void compact_scan(__global const uint *count,
                           __global uint *first,
                           const uint blocks) {
    const uint tid = get_local_id(0);
    if (tid > 0) return;
    uint sum = 0;
    for (uint b = 0; b < blocks; ++b) {
        first[b] = sum;
        sum += count[b];
    }
    first[blocks] = sum;
}

__kernel void compact_scatter(__global const float *x,
                              __global const uint *first,
                              __global float *out,
                              const uint N,
                              const float threshold) {
    const uint i = get_global_id(0);
    if (i >= N || !(x[i] > threshold)) return;
    const uint start = i / BLOCK * BLOCK;
    uint place = first[i / BLOCK];
    for (uint t = start; t < i; ++t) place += x[t] > threshold ? 1 : 0;
    out[place] = x[i];
}
