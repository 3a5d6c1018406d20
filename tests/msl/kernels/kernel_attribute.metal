// run styled threads=64 group=32 x=64 y=64
#include <metal_stdlib>
using namespace metal;
constant constexpr uint LIMIT = 8 * 4;
[[kernel]] [[max_total_threads_per_threadgroup(LIMIT)]]
void styled(const device float *x [[buffer(0)]], device float *__restrict y [[buffer(1)]],
            uint3 gid [[thread_position_in_grid]], uint3 [[threads_per_grid]]) {
    y[gid.x] = x[gid.x] - float(LIMIT);
}
