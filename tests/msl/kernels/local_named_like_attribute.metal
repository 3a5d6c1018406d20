// run shadowed threads=40 group=8 x=40 y=40
#include <metal_stdlib>
using namespace metal;
kernel void shadowed(device const float *x, device float *y, uint gid [[thread_position_in_grid]]) {
    uint thread_position_in_grid = gid + 0u;
    uint my_threads_per_threadgroup = 8u;
    {
        uint grid_origin = thread_position_in_grid % my_threads_per_threadgroup;
        y[gid] = x[thread_position_in_grid] + float(grid_origin);
    }
}
