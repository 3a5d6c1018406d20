// Idea: of the two sites of a column in a pair of rows exactly one has the colour, so that a thread does both: the coloured one by the
// rule, the other as a copy, and no lane draws a number for nothing. A threadgroup does the rows of two, its own and the
// next one's, with all of its threads; every second group ends at once, so that no simdgroup is half empty.
#include <metal_stdlib>
using namespace metal;

static uint mix(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

kernel void ising_step(device const char  *spins_in  [[buffer(0)]],
                       device       char  *spins_out [[buffer(1)]],
                       device const float *p_accept  [[buffer(2)]],
                       constant     uint  &NX        [[buffer(3)]],
                       constant     uint  &NY        [[buffer(4)]],
                       constant     uint  &step_idx  [[buffer(5)]],
                       constant     uint  &seed      [[buffer(6)]],
                       uint2 gid   [[thread_position_in_grid]],
                       uint2 lid   [[thread_position_in_threadgroup]],
                       uint2 group [[threadgroup_position_in_grid]]) {
    const uint i = gid.x;
    const uint j = gid.y + lid.y;       // the first row of the pair
    if (group.y % 2 != 0 || i >= NX || j >= NY) return;
    const uint coloured = j + ((i + j + step_idx) & 1u), other = coloured == j ? j + 1 : j;
    if (other < NY) spins_out[other * NX + i] = spins_in[other * NX + i];
    if (coloured >= NY) return;         // the last row of an odd number of rows
    const uint row = coloured * NX;
    const uint up = coloured == NY - 1 ? 0 : row + NX;
    const uint down = coloured == 0 ? (NY - 1) * NX : row - NX;
    const uint right = i == NX - 1 ? 0 : i + 1;
    const uint left = i == 0 ? NX - 1 : i - 1;
    const int s = spins_in[row + i];
    const int h = spins_in[row + right] + spins_in[row + left] + spins_in[up + i] + spins_in[down + i];
    const uint x = mix(mix(seed + step_idx * 0x9E3779B9u) ^ (row + i));
    const bool flip = float(x >> 8) * 0x1.0p-24f < p_accept[(s * h + 4) / 2];
    spins_out[row + i] = char(flip ? -s : s);
}
