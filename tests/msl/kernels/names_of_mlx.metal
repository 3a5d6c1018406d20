// run names threads=32 group=32 x=32:0:4 y=32
#include <metal_stdlib>
using namespace metal;
inline float log1p(float v) { return log(1.0f + v); }
template <typename T> inline T ceildiv(T a, T b) { return (a + b - 1) / b; }
struct Limits { uint low, high; };
typedef half float16_t;
kernel void names(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    Limits limits = {ceildiv(i, 4u), 32u};
    float16_t h = float16_t(limits.high);
    y[i] = log1p(abs(x[i])) + float(limits.low) + float(h);
}
