// run where threads=40 group=16 y=40x6
#include <metal_stdlib>
using namespace metal;
kernel void where(device float *y, uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]],
                  uint g [[threadgroup_position_in_grid]], uint n [[threads_per_grid]],
                  uint groups [[threadgroups_per_grid]], uint size [[threads_per_threadgroup]],
                  uint index [[thread_index_in_threadgroup]]) {
    y[6 * i] = float(t);
    y[6 * i + 1] = float(g);
    y[6 * i + 2] = float(n);
    y[6 * i + 3] = float(groups);
    y[6 * i + 4] = float(size);
    y[6 * i + 5] = float(index);
}
