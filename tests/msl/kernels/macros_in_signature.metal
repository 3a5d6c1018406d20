// run stage threads=64 group=16 x=64 a=#0.5 N=#60 y=64
#include <metal_stdlib>
using namespace metal;
#define REAL float
#define BUFFER(n) [[buffer(n)]]
#define SCALAR(type, name, n) constant type &name BUFFER(n)
#define INPUTS device const REAL *x BUFFER(0), SCALAR(REAL, a, 1), SCALAR(uint, N, 2)
#define GROUP (4 * 16)
[[max_total_threads_per_threadgroup(GROUP)]]
kernel void stage(INPUTS, device REAL *y BUFFER(3), uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    y[i] = a * x[i] + GROUP;
}
