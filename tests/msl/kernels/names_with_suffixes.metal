// run strided threads=30 group=10 x=60 x_shape=#30 x_strides=#2 y=30
#include <metal_stdlib>
using namespace metal;
kernel void strided(device const float *x, constant uint &x_shape, constant uint &x_strides, device float *y,
                    uint i [[thread_position_in_grid]]) {
    const uint x_ndim = 1;
    if (i < x_shape) y[i] = x[i * x_strides * x_ndim];
}
