// run plain threads=16 group=16 x=16 y=16
#include <metal_stdlib>
using namespace metal;
// Δu ≈ u₊ − 2u + u₋, α = 0.2 — “quoted” } {
kernel void plain(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = x[i] * 2.0f; /* ² */
}
