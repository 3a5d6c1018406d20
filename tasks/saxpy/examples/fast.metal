// Idea: there is none but to do nothing else: one multiply-add an element, and the memory is the limit. The seed kernel is there
// already, so a speedup of one is the honest result.
#include <metal_stdlib>
using namespace metal;

kernel void saxpy(device const float *x   [[buffer(0)]],
                  device const float *y   [[buffer(1)]],
                  device       float *out [[buffer(2)]],
                  constant     float &a   [[buffer(3)]],
                  constant     uint  &N   [[buffer(4)]],
                  uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    out[i] = fma(a, x[i], y[i]);
}
