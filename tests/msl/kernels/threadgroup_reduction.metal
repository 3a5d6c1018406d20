// run reduce threads=256 group=64 x=256 out=4
#include <metal_stdlib>
using namespace metal;
kernel void reduce(device const float *x, device float *out, uint i [[thread_position_in_grid]],
                   uint t [[thread_position_in_threadgroup]], uint group [[threadgroup_position_in_grid]],
                   uint size [[threads_per_threadgroup]]) {
    threadgroup float partial[64];
    partial[t] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint stride = size / 2; stride > 0; stride /= 2) {
        if (t < stride) partial[t] += partial[t + stride];
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (t == 0) out[group] = partial[0];
}
