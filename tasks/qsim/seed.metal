// qsim: one gate of a quantum circuit on the state vector of n qubits, 2^n complex amplitudes.
//
//   out[i] = U[b][0] * in[i with bit `target` cleared] + U[b][1] * in[i with bit `target` set],   b = bit `target` of i
//
// U is a complex 2 x 2 matrix, row-major, at gates[4*gate]. Where bit `control` of i is clear the amplitude is copied;
// control == target means that there is no control.
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
    out[i] = times(gates[4 * gate + 2 * b], zero) + times(gates[4 * gate + 2 * b + 1], one);
}
