// run chosen threads=32 group=32 x=32 y=32
#include <metal_stdlib>
using namespace metal;
#define WIDTH 4
#if defined(WIDTH) && WIDTH > 2
#define STEP 1.0f
kernel void chosen(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
#if WIDTH == 4
    y[i] = x[i] + STEP;
#else
    y[i] = 0.0f;
#endif
}
#else
kernel void chosen(device const float *x, device float *y, constant uint &n, uint i [[thread_position_in_grid]]) {
    y[i] = x[n];
}
#endif
