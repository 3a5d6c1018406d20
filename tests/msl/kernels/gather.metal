// run gather threads=40 group=8 counts=40:0:9 out=40
#include <metal_stdlib>
using namespace metal;
kernel void gather(device const uint *counts, device uint *out, uint i [[thread_position_in_grid]]) {
    device const uint *next = counts + i;
    out[i] = *next + 1u;
}
