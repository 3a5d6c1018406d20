// Idea: all threads read the same four coefficients and select two of them, instead of each reading its own two. There is
// little else to win: an amplitude is read twice and written once, and the memory is the limit.
#include <metal_stdlib>
using namespace metal;

static float2 times(float2 a, float2 b) {
    return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

kernel void qsim_gate(device const float2 *in      [[buffer(0)]],
                      device       float2 *out     [[buffer(1)]],
                      device const float2 *gates   [[buffer(2)]],
                      constant     uint   &n       [[buffer(3)]],
                      constant     uint   &gate    [[buffer(4)]],
                      constant     uint   &target  [[buffer(5)]],
                      constant     uint   &control [[buffer(6)]],
                      uint i [[thread_position_in_grid]]) {
    if (i >= (1u << n)) return;
    if (control != target && ((i >> control) & 1u) == 0) {
        out[i] = in[i];
        return;
    }
    const uint b = (i >> target) & 1u;
    const float2 zero = in[i & ~(1u << target)];
    const float2 one = in[i | (1u << target)];
    device const float2 *U = gates + 4 * gate;
    const float2 u00 = U[0], u01 = U[1], u10 = U[2], u11 = U[3];
    out[i] = times(b ? u10 : u00, zero) + times(b ? u11 : u01, one);
}
