// Idea: every site does the same: neighbours wrap by comparison instead of by modulo, the site's colour becomes a mask, and the
// probability is chosen by selection among the only two that are below one. The key of the step is the same for all
// sites. Integers are compared instead of floats: u < p is x >> 8 below p * 2^24, rounded up.
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
                       uint2 gid [[thread_position_in_grid]]) {
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NX || j >= NY) return;

    const uint row = j * NX;
    const uint up = j == NY - 1 ? 0 : row + NX;
    const uint down = j == 0 ? (NY - 1) * NX : row - NX;
    const uint right = i == NX - 1 ? 0 : i + 1;
    const uint left = i == 0 ? NX - 1 : i - 1;
    const int s = spins_in[row + i];
    const int h = spins_in[row + right] + spins_in[row + left] + spins_in[up + i] + spins_in[down + i];

    const uint x = mix(mix(seed + step_idx * 0x9E3779B9u) ^ (row + i)) >> 8;
    const int sh = s * h;
    const uint two = uint(ceil(p_accept[3] * 0x1.0p24f));
    const uint four = uint(ceil(p_accept[4] * 0x1.0p24f));
    const uint limit = sh <= 0 ? 0x1000000u : sh == 2 ? two : four;
    const bool flip = x < limit && ((i + j) & 1u) == (step_idx & 1u);
    spins_out[row + i] = char(flip ? -s : s);
}
