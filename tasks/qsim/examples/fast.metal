// Idea: the partner of an amplitude is the one with the target bit flipped, so each thread reads its own place and one other, and
// only the two coefficients depend on the bit. With selections instead of branches neighbouring threads do the
// same. An amplitude moves as one 64-bit word.
#include <metal_stdlib>
using namespace metal;

kernel void qsim_gate(device const float2 *in      [[buffer(0)]],
                      device       float2 *out     [[buffer(1)]],
                      device const float2 *gates   [[buffer(2)]],
                      constant     uint   &n       [[buffer(3)]],
                      constant     uint   &gate    [[buffer(4)]],
                      constant     uint   &target  [[buffer(5)]],
                      constant     uint   &control [[buffer(6)]],
                      uint i [[thread_position_in_grid]]) {
    if (i >= (1u << n)) return;
    device const float2 *U = gates + 4 * gate;
    const float2 u00 = U[0], u01 = U[1], u10 = U[2], u11 = U[3];
    const bool b = (i >> target) & 1u;
    const bool active = control == target || ((i >> control) & 1u);
    device const ulong *pairs = (device const ulong *)in;
    const float2 own = as_type<float2>(pairs[i]);
    const float2 other = as_type<float2>(pairs[i ^ (1u << target)]);
    const float sr = b ? u11.x : u00.x, si = b ? u11.y : u00.y;
    const float cr = b ? u10.x : u01.x, ci = b ? u10.y : u01.y;
    const float re = sr * own.x - si * own.y + cr * other.x - ci * other.y;
    const float im = sr * own.y + si * own.x + cr * other.y + ci * other.x;
    ((device ulong *)out)[i] = as_type<ulong>(float2(active ? re : own.x, active ? im : own.y));
}
