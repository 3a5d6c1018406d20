// run permuted threads=16 group=16 out=16 a=16 b=16 c=16
#include <metal_stdlib>
using namespace metal;
kernel void permuted(device float *out [[buffer(3)]], device const float *b [[buffer(1)]],
                     device const float *c, device const float *a [[buffer(0)]],
                     uint i [[thread_position_in_grid]]) {
    out[i] = a[i] + 2.0f * b[i] + 4.0f * c[i];
}
