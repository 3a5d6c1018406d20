// Idea: an amplitude travels as one 64-bit word, so that a thread's loop has nothing but scalars and runs in vector lanes: its own
// amplitude is read in a row, its partner's gathered, both coefficients selected, and a thread whose control bit is clear
// computes with the others and keeps what it had.
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
    device const ulong *x = (device const ulong *)in;
    device const float *U = (device const float *)(gates + 4 * gate);
    device ulong *y = (device ulong *)out;
    const uint bit = 1u << target;
    const bool set = (i & bit) != 0;
    const ulong own = x[i];
    const bool idle = control != target && ((i >> control) & 1u) == 0;
    const ulong other = x[i ^ bit];
    const float re = as_type<float>(uint(own)), im = as_type<float>(uint(own >> 32));
    const float p = as_type<float>(uint(other)), q = as_type<float>(uint(other >> 32));
    const float a = set ? U[6] : U[0], b = set ? U[7] : U[1];
    const float c = set ? U[4] : U[2], d = set ? U[5] : U[3];
    const float r = a * re - b * im + c * p - d * q;
    const float s = a * im + b * re + c * q + d * p;
    const ulong turned = ulong(as_type<uint>(r)) | (ulong(as_type<uint>(s)) << 32);
    y[i] = idle ? own : turned;
}
