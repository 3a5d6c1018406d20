// Idea: one thread a pair: it reads both amplitudes, and writes both, so that each is read and written once. The pair's place is the
// thread's index with a zero put in at the target's bit, which keeps the lanes of a simdgroup next to each other in
// memory for every target. Half of the threads are left over, whole groups of them, and end at once.
#include <metal_stdlib>
using namespace metal;

static float2 times(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

kernel void qsim_gate(device const float2 *in      [[buffer(0)]],
                      device       float2 *out     [[buffer(1)]],
                      device const float2 *gates   [[buffer(2)]],
                      constant     uint   &n       [[buffer(3)]],
                      constant     uint   &gate    [[buffer(4)]],
                      constant     uint   &target  [[buffer(5)]],
                      constant     uint   &control [[buffer(6)]],
                      uint i [[thread_position_in_grid]]) {
    if (i >= 1u << (n - 1)) return;
    const uint bit = 1u << target, below = i & (bit - 1);
    const uint zero = ((i - below) << 1) | below, one = zero | bit;
    const float2 a = in[zero], b = in[one];
    const bool acts = control == target || ((zero >> control) & 1u) != 0;
    device const float2 *U = gates + 4 * gate;
    out[zero] = acts ? times(U[0], a) + times(U[1], b) : a;
    out[one] = acts ? times(U[2], a) + times(U[3], b) : b;
}
