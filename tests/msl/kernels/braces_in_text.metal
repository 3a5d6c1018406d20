// run text threads=16 group=16 x=16 y=16
#include <metal_stdlib>
using namespace metal;
/* } } { kernel void hidden( { */
kernel void text(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    // } a brace in a comment: }}}
    const char open = '{', close = '}'; /* } */
    y[i] = x[i] + float(close - open); // "
}
// kernel void not_a_kernel() {
