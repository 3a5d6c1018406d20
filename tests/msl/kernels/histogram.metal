// run histogram threads=200 group=50 x=200:0:16 N=#200 bins=16
#include <metal_stdlib>
using namespace metal;
kernel void histogram(device const uint *x [[buffer(0)]], constant uint &N [[buffer(1)]],
                      device atomic_uint *bins [[buffer(2)]], uint i [[thread_position_in_grid]]) {
    if (i < N) atomic_fetch_add_explicit(&bins[x[i]], 1u, memory_order_relaxed);
}
