// run bits threads=50 group=25 x=50 y=50
#include <metal_stdlib>
using namespace metal;
inline uint mix(uint v) {
    v = (v ^ (v >> 16)) * 0x85EBCA6Bu;
    v = (v ^ (v >> 13)) * 0xC2B2AE35u;
    return v ^ (v >> 16);
}
kernel void bits(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    uint u = as_type<uint>(x[i]);
    y[i] = float(mix(u ^ i) >> 8) * 0x1p-24f + as_type<float>(u & 0x7fffffffu) + float(popcount(u));
}
