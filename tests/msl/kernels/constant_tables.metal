// run lookup threads=27 group=9 x=27:0:9 y=27
#include <metal_stdlib>
using namespace metal;
constant float WEIGHTS[9] = {4.0f / 9.0f, 1.0f / 9.0f, 1.0f / 9.0f, 1.0f / 9.0f, 1.0f / 9.0f,
                             1.0f / 36.0f, 1.0f / 36.0f, 1.0f / 36.0f, 1.0f / 36.0f};
constexpr constant uint COUNT = 9;
constant constexpr int2 STEPS[3] = {int2(0, 1), int2(1, 0), int2(-1, -1)};
kernel void lookup(device const uint *x, device float *y, uint i [[thread_position_in_grid]]) {
    int2 step = STEPS[i % 3u];
    y[i] = WEIGHTS[x[i] % COUNT] + float(step.x) - float(step.y);
}
