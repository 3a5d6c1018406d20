// Idea: there is little to win: an element is read once, and its x comes from anywhere. The row's end is read once, and four sums at
// a time would cost more than they hide where most rows are shorter than a dozen; so the loop is as wide as half of the
// shortest rows and leaves them a short remainder.
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
#pragma clang loop vectorize_width(4) interleave_count(1)
    for (uint e = row_start[i]; e < end; ++e) sum += value[e] * x[column[e]];
    y[i] = sum;
}
