// spmv: y = A x for a sparse matrix in compressed sparse rows, one thread a row.
//
//   y[i] = sum of value[e] * x[column[e]] for e from row_start[i] to row_start[i + 1] - 1
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
    for (uint e = row_start[i]; e < row_start[i + 1]; ++e) {
        sum += value[e] * x[column[e]];
    }
    y[i] = sum;
}
