// Idea: four elements a thread as one float4, so that a simdgroup asks for 512 bytes at a time, with a quarter of the threads; the
// groups that have nothing to do end at once. What N leaves over after fours is done by the first threads behind them.
#include <metal_stdlib>
using namespace metal;

kernel void saxpy(device const float *x   [[buffer(0)]],
                  device const float *y   [[buffer(1)]],
                  device       float *out [[buffer(2)]],
                  constant     float &a   [[buffer(3)]],
                  constant     uint  &N   [[buffer(4)]],
                  uint i [[thread_position_in_grid]]) {
    const uint fours = N / 4;
    if (i < fours) {
        ((device float4 *)out)[i] = fma(a, ((device const float4 *)x)[i], ((device const float4 *)y)[i]);
    } else if (i - fours < N % 4) {
        const uint rest = 4 * fours + (i - fours);
        out[rest] = fma(a, x[rest], y[rest]);
    }
}
