// run saxpy threads=300 group=64 x=300 y=300 a=#2.5 N=#290 out=300
#include <metal_stdlib>
using namespace metal;
kernel void saxpy(device const float *x [[buffer(0)]], device const float *y [[buffer(1)]],
                  device float *out [[buffer(2)]], constant float &a [[buffer(3)]], constant uint &N [[buffer(4)]],
                  uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    out[i] = a * x[i] + y[i];
}
