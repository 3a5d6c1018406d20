// run count threads=96 group=32 x=96:-5:5 total=1 doubled=96 largest=1
#include <metal_stdlib>
using namespace metal;
kernel void count(device const int *x, device atomic_int *total, device int *doubled,
                  device metal::atomic<uint> *largest, uint i [[thread_position_in_grid]]) {
    doubled[i] = 2 * x[i];
    if (x[i] > 0) atomic_fetch_add_explicit(total, x[i], memory_order_relaxed);
    atomic_fetch_max_explicit(largest, uint(x[i] + 5), memory_order_relaxed);
}
