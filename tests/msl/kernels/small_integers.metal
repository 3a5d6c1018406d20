// run bytes threads=60 group=20 a=60 b=60 sum=60 odd=60
#include <metal_stdlib>
using namespace metal;
kernel void bytes(device const uchar *a, device const short *b, device ushort *sum, device bool *odd,
                  uint i [[thread_position_in_grid]]) {
    sum[i] = ushort(a[i]) + ushort(b[i]);
    odd[i] = (sum[i] & 1) != 0;
}
