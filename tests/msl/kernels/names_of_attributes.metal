// run odd threads=24,2 group=8,2 x=48 grid_size=#24 y=48
#include <metal_stdlib>
using namespace metal;
kernel void odd(device const float *x, constant uint &grid_size, device float *y,
                uint2 thread_position_in_grid [[thread_position_in_grid]],
                uint2 threads_per_grid [[threads_per_threadgroup]],
                uint2 n [[threads_per_grid]]) {
    uint i = thread_position_in_grid.y * grid_size + thread_position_in_grid.x;
    y[i] = x[i] + float(threads_per_grid.x) * 10.0f + float(n.x);
}
