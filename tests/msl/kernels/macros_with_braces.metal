// run sums threads=32 group=32 x=32x4 y=32
#include <metal_stdlib>
using namespace metal;
#define FOR_EACH(k, n) for (uint k = 0; k < (n); ++k) {
#define END }
#define SWAP(a, b) do { float t_ = (a); (a) = (b); (b) = t_; } while (0)
kernel void sums(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
#define AT(k) x[4 * i + (k)]
    float total = 0.0f, last = 0.0f;
    FOR_EACH(k, 4)
        total += AT(k);
        last = AT(k);
    END
    if (last > total) { SWAP(last, total); }
    y[i] = total - 0.5f * last;
#undef AT
}
