// Idea: most rows are shorter than a vector is wide, and then it is the remainder that costs. So the remainder is done as
// a vector too, whose idle lanes are masked. The pragma asks for that where a thread's loop is vectorised, as
// in software; elsewhere it says nothing. The row's end is read once.
#include <metal_stdlib>
using namespace metal;

kernel void spmv(device const uint  *row_start [[buffer(0)]],
                 device const uint  *column    [[buffer(1)]],
                 device const float *value     [[buffer(2)]],
                 device const float *x         [[buffer(3)]],
                 device       float *y         [[buffer(4)]],
                 constant     uint  &rows      [[buffer(5)]],
                 uint i [[thread_position_in_grid]]) {
    if (i >= rows) return;
    float sum = 0.0f;
    const uint end = row_start[i + 1];
#pragma clang loop vectorize_width(16) interleave_count(1) vectorize_predicate(enable)
    for (uint e = row_start[i]; e < end; ++e) {
        sum += value[e] * x[column[e]];
    }
    y[i] = sum;
}
