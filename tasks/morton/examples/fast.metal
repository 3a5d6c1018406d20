// Idea: never decode the index. The bits of x, y and z are dilated integers inside it; adding one to x is an addition
// in which the bits of y and z are set, so that a carry runs through them, and subtracting one is a subtraction in which
// they are clear. A cell lies on a face when its dilated coordinate is all zeros or all ones.
#include <metal_stdlib>
using namespace metal;

kernel void morton_stencil(device const float *u_in  [[buffer(0)]],
                           device       float *u_out [[buffer(1)]],
                           constant     uint  &N     [[buffer(2)]],
                           constant     uint  &logN  [[buffer(3)]],
                           constant     float &alpha [[buffer(4)]],
                           uint tid [[thread_position_in_grid]]) {
    const uint cells = 1u << (3 * logN);
    if (tid >= cells) return;
    const uint X = 0x49249249u & (cells - 1);
    const uint Y = X << 1;
    const uint Z = X << 2;
    const uint x = tid & X;
    const uint y = tid & Y;
    const uint z = tid & Z;

    const float u = u_in[tid];
    const bool face = x == 0 || y == 0 || z == 0 || x == X || y == Y || z == Z;
    if (face) {
        u_out[tid] = u;
        return;
    }
    const uint yz = tid & ~X;
    const uint xz = tid & ~Y;
    const uint xy = tid & ~Z;
    const float around = u_in[((x - 1) & X) | yz] + u_in[((tid | ~X) + 1) & X | yz]
                       + u_in[((y - 1) & Y) | xz] + u_in[((tid | ~Y) + 1) & Y | xz]
                       + u_in[((z - 1) & Z) | xy] + u_in[((tid | ~Z) + 1) & Z | xy];
    u_out[tid] = fma(alpha, around, (1.0f - 6.0f * alpha) * u);
}
