// Idea: a thread does a run of 64 amplitudes and the run of their partners, both halves of each pair at once, so that every
// amplitude is read and written once, in rows of memory. Two amplitudes are a float4, and a complex factor is two
// multiply-adds with that vector and with it turned. Where partners are inside the run it is the same loop; on qubit 0
// they are inside a float4. The threads between runs have nothing to do.
#include <metal_stdlib>
using namespace metal;

constant uint RUN = 32;                 // float4, two amplitudes each

// Two amplitudes times the same complex factor.
static float4 times(float2 factor, float4 v) { return factor.x * v + float4(-factor.y, factor.y, -factor.y, factor.y) * v.yxwz; }

kernel void qsim_gate(device const float2 *in      [[buffer(0)]],
                      device       float2 *out     [[buffer(1)]],
                      device const float2 *gates   [[buffer(2)]],
                      constant     uint   &n       [[buffer(3)]],
                      constant     uint   &gate    [[buffer(4)]],
                      constant     uint   &target  [[buffer(5)]],
                      constant     uint   &control [[buffer(6)]],
                      uint i [[thread_position_in_grid]]) {
    const uint run = min(RUN, 1u << (n - 1));
    if ((i & (2 * run - 1)) != 0) return;
    const float2 a = gates[4 * gate], b = gates[4 * gate + 1], c = gates[4 * gate + 2], d = gates[4 * gate + 3];
    device const float4 *x = (device const float4 *)in;
    device float4 *y = (device float4 *)out;
    const uint first = i / 2;
    const bool free = control == target;
    // Of a float4: the bit that must be set for its gate to act. Qubit 0 as the control chooses inside it.
    const uint guard = free || control == 0 ? 0 : 1u << (control - 1);
    if (target == 0) {
        const float4 real_zero = float4(a.x, a.x, c.x, c.x), imag_zero = float4(-a.y, a.y, -c.y, c.y);
        const float4 real_one = float4(b.x, b.x, d.x, d.x), imag_one = float4(-b.y, b.y, -d.y, d.y);
        for (uint m = first; m < first + run; ++m) {
            const float4 v = x[m];
            const float4 turned = real_zero * v.xyxy + imag_zero * v.yxyx + real_one * v.zwzw + imag_one * v.wzwz;
            y[m] = (m & guard) == guard ? turned : v;
        }
        return;
    }
    const uint apart = 1u << (target - 1);
    for (uint m = first; m < first + run; ++m) {
        if ((m & apart) != 0) continue;
        const float4 zero = x[m], one = x[m + apart];
        float4 new_zero = times(a, zero) + times(b, one), new_one = times(c, zero) + times(d, one);
        if (!free && control == 0) {
            new_zero.xy = zero.xy;
            new_one.xy = one.xy;
        }
        const bool acts = (m & guard) == guard;
        y[m] = acts ? new_zero : zero;
        y[m + apart] = acts ? new_one : one;
    }
}
