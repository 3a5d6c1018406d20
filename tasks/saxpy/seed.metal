// saxpy: out = a*x + y, one thread per element.
#include <metal_stdlib>
using namespace metal;

kernel void saxpy(device const float *x   [[buffer(0)]],
                  device const float *y   [[buffer(1)]],
                  device       float *out [[buffer(2)]],
                  constant     float &a   [[buffer(3)]],
                  constant     uint  &N   [[buffer(4)]],
                  uint i [[thread_position_in_grid]]) {
    if (i >= N) return;               // the grid may be padded
    out[i] = a * x[i] + y[i];
}
