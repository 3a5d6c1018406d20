// run scale threads=64 group=32 x=64 y=64
// run shift threads=64 group=32 x=64 y=64
// run both threads=64 group=32 x=64 y=64
#include <metal_stdlib>
using namespace metal;
#define FACTOR 2.0f
static inline float scaled(float v) { return v * FACTOR; }
kernel void scale(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = scaled(x[i]) + FACTOR;
}
#undef FACTOR
#define FACTOR 10.0f
kernel void shift(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = x[i] + FACTOR;
}
static inline float twice(float v) { return FACTOR * scaled(v); }
kernel void both(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = twice(x[i]);
}
