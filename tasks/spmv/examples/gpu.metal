// Idea: a lane a row while rows are short; a long row of the power law's tail would hold up 31 lanes, so all lanes of its simdgroup
// do it together, reading elements side by side, and add up by simd_sum. Which rows are long the lanes tell each other
// by simd_max, one long row at a time, so that the usual simdgroup pays for one question only.
#include <metal_stdlib>
using namespace metal;

constant uint LONG = 64;                // elements

kernel void spmv(device const uint  *row_start [[buffer(0)]],
                 device const uint  *column    [[buffer(1)]],
                 device const float *value     [[buffer(2)]],
                 device const float *x         [[buffer(3)]],
                 device       float *y         [[buffer(4)]],
                 constant     uint  &rows      [[buffer(5)]],
                 uint i     [[thread_position_in_grid]],
                 uint lane  [[thread_index_in_simdgroup]],
                 uint first [[thread_position_in_threadgroup]],
                 uint width [[threads_per_threadgroup]]) {
    const uint lanes = min(32u, width - (first - lane));        // the last simdgroup may have fewer
    const uint start = i < rows ? row_start[i] : 0, end = i < rows ? row_start[i + 1] : 0;
    bool waits = end - start > LONG;
    float sum = 0.0f;
    if (!waits) {
        for (uint e = start; e < end; ++e) sum += value[e] * x[column[e]];
    }
    for (uint next = simd_max(waits ? lane + 1 : 0u); next > 0; next = simd_max(waits ? lane + 1 : 0u)) {
        const uint begin = simd_shuffle(start, ushort(next - 1)), stop = simd_shuffle(end, ushort(next - 1));
        float part = 0.0f;
        for (uint e = begin + lane; e < stop; e += lanes) part += value[e] * x[column[e]];
        const float whole = simd_sum(part);
        if (lane == next - 1) {
            sum = whole;
            waits = false;
        }
    }
    if (i < rows) y[i] = sum;
}
