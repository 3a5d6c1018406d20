// run lanes threads=96 group=96 x=96 y=96
#include <metal_stdlib>
using namespace metal;
kernel void lanes(device const float *x, device float *y, uint i [[thread_position_in_grid]],
                  uint lane [[thread_index_in_simdgroup]], uint group [[simdgroup_index_in_threadgroup]],
                  ushort thread_execution_width [[threads_per_simdgroup]]) {
    float total = simd_sum(x[i]);
    float next = simd_shuffle_down(x[i], 1u);
    y[i] = total + (lane + 1 < thread_execution_width ? next : 0.0f) + 1000.0f * float(group);
}
