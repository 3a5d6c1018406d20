// run narrow threads=12,10,3 group=4,5,3 y=360
#include <metal_stdlib>
using namespace metal;
kernel void narrow(device float *y, ushort3 gid [[thread_position_in_grid]], const ushort3 n [[threads_per_grid]],
                   ushort t [[thread_index_in_threadgroup]]) {
    uint i = (uint(gid.z) * n.y + gid.y) * n.x + gid.x;
    gid.x += 1;
    y[i] = float(gid.x) + 100.0f * float(t);
}
