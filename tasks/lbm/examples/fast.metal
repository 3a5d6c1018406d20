// Idea: the lattice is written out: the constants of the nine directions disappear into the arithmetic, opposite directions share
// their even part, and 1/rho and 1/tau are taken once. Along a row every thread reads its neighbours in a row of
// memory, and the two ends choose the value from the other end instead, so that no index is gathered and nothing masked.
#include <metal_stdlib>
using namespace metal;

kernel void lbm_step(device const float *f_in  [[buffer(0)]],
                     device       float *f_out [[buffer(1)]],
                     constant     uint  &NX    [[buffer(2)]],
                     constant     uint  &NY    [[buffer(3)]],
                     constant     float &tau   [[buffer(4)]],
                     uint2 gid [[thread_position_in_grid]]) {
    // The host dispatches NX x NY threads, so nothing is guarded; what is read next to a row is inside f_in in any case.
    const uint i = gid.x;
    const uint j = gid.y;
    const uint S = NX * NY;
    const uint row = j * NX;
    const uint south = (j == 0 ? NY - 1 : j - 1) * NX;
    const uint north = (j == NY - 1 ? 0 : j + 1) * NX;
    const bool first = i == 0, last = i == NX - 1;
    const uint end = NX - 1;

    const float f0 = f_in[row + i];
    const float w1 = f_in[S + row + i - 1], v1 = f_in[S + row + end];
    const float f2 = f_in[2 * S + south + i];
    const float e3 = f_in[3 * S + row + i + 1], v3 = f_in[3 * S + row];
    const float f4 = f_in[4 * S + north + i];
    const float w5 = f_in[5 * S + south + i - 1], v5 = f_in[5 * S + south + end];
    const float e6 = f_in[6 * S + south + i + 1], v6 = f_in[6 * S + south];
    const float e7 = f_in[7 * S + north + i + 1], v7 = f_in[7 * S + north];
    const float w8 = f_in[8 * S + north + i - 1], v8 = f_in[8 * S + north + end];
    const float f1 = first ? v1 : w1, f5 = first ? v5 : w5, f8 = first ? v8 : w8;
    const float f3 = last ? v3 : e3, f6 = last ? v6 : e6, f7 = last ? v7 : e7;

    const float rho = f0 + f1 + f2 + f3 + f4 + f5 + f6 + f7 + f8;
    const float inv = 1.0f / rho;
    const float ux = (f1 - f3 + f5 - f6 - f7 + f8) * inv;
    const float uy = (f2 - f4 + f5 + f6 - f7 - f8) * inv;

    const float omega = 1.0f / tau;
    const float keep = 1.0f - omega;
    const float base = 1.0f - 1.5f * (ux * ux + uy * uy);
    const float r0 = omega * rho * (4.0f / 9.0f);
    const float r1 = 0.25f * r0;
    const float r5 = 0.25f * r1;
    const float c5 = ux + uy;
    const float c6 = uy - ux;
    const float s1 = base + 4.5f * ux * ux;
    const float s2 = base + 4.5f * uy * uy;
    const float s5 = base + 4.5f * c5 * c5;
    const float s6 = base + 4.5f * c6 * c6;

    const uint c = row + i;
    f_out[c] = keep * f0 + r0 * base;
    f_out[S + c] = keep * f1 + r1 * (s1 + 3.0f * ux);
    f_out[2 * S + c] = keep * f2 + r1 * (s2 + 3.0f * uy);
    f_out[3 * S + c] = keep * f3 + r1 * (s1 - 3.0f * ux);
    f_out[4 * S + c] = keep * f4 + r1 * (s2 - 3.0f * uy);
    f_out[5 * S + c] = keep * f5 + r5 * (s5 + 3.0f * c5);
    f_out[6 * S + c] = keep * f6 + r5 * (s6 + 3.0f * c6);
    f_out[7 * S + c] = keep * f7 + r5 * (s5 - 3.0f * c5);
    f_out[8 * S + c] = keep * f8 + r5 * (s6 - 3.0f * c6);
}
