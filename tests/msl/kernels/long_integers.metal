// run wide threads=20 group=4 a=20 b=20 out=20
#include <metal_stdlib>
using namespace metal;
kernel void wide(device const long *a, device const ulong *b, device ulong *out, uint i [[thread_position_in_grid]]) {
    out[i] = ulong(a[i]) * 3000000000ul + b[i];
}
