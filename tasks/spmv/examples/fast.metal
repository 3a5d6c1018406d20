// Idea: four sums at a time, so that products do not wait for one another; the row's ends are read once.
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
    uint e = row_start[i];
    const uint end = row_start[i + 1];
    float4 sum = 0.0f;
    for (; e + 4 <= end; e += 4) {
        const uint4 c = uint4(column[e], column[e + 1], column[e + 2], column[e + 3]);
        const float4 v = float4(value[e], value[e + 1], value[e + 2], value[e + 3]);
        sum += v * float4(x[c.x], x[c.y], x[c.z], x[c.w]);
    }
    float rest = 0.0f;
    for (; e < end; ++e) rest += value[e] * x[column[e]];
    y[i] = (sum.x + sum.y) + (sum.z + sum.w) + rest;
}
