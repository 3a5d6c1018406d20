// run flip threads=16,16 group=8,8 spins_in=256:-1:2 spins_out=256 NX=#16 mark=#7 big=#5000000000
#include <metal_stdlib>
using namespace metal;
inline int signum(device const char *spins, uint i) { return spins[i] < 0 ? -1 : 1; }
kernel void flip(device const char *spins_in [[buffer(0)]], device char *spins_out [[buffer(1)]],
                 constant uint &NX [[buffer(2)]], constant char &mark [[buffer(3)]], constant long &big [[buffer(4)]],
                 uint2 gid [[thread_position_in_grid]]) {
    uint i = gid.y * NX + gid.x;
    spins_out[i] = ((gid.x + gid.y) & 1u) ? char(-signum(spins_in, i)) : char(mark + char(big > 4000000000l));
}
