// Idea: of the two sites of a column in a pair of rows exactly one has the colour. So the threads of an even row do a pair of rows,
// each the coloured site of its column and the copy of the other one, and all lanes of a row draw one number and waste
// none; the threads of odd rows have nothing to do. Neighbours are read in a row of memory, and the row's two ends
// choose the value from the other end. Integers are compared: u < p is x >> 8 below p * 2^24, rounded up.
#include <metal_stdlib>
using namespace metal;

static uint mix(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

// What becomes of spin s, the sum of whose neighbours is h.
static int updated(int s, int h, uint step_idx, uint seed, uint site, device const float *p_accept) {
    const uint two = uint(ceil(p_accept[3] * 0x1.0p24f)), four = uint(ceil(p_accept[4] * 0x1.0p24f));
    const int sh = s * h;
    const uint limit = sh <= 0 ? 0x1000000u : sh == 2 ? two : four;
    return (mix(mix(seed + step_idx * 0x9E3779B9u) ^ site) >> 8) < limit ? -s : s;
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
    const uint pair = j & ~1u, end = NX - 1;
    if (pair == 0 || pair + 2 >= NY) {  // the first and the last rows, where reading beyond a row's end could leave spins_in
        const uint site = j * NX + i;
        const uint west = i == 0 ? site + end : site - 1, east = i == end ? site - end : site + 1;
        const uint down = j == 0 ? site + (NY - 1) * NX : site - NX, up = j == NY - 1 ? i : site + NX;
        const int s = spins_in[site];
        const int h = spins_in[west] + spins_in[east] + spins_in[down] + spins_in[up];
        if (((i + j + step_idx) & 1u) == 0) spins_out[site] = char(updated(s, h, step_idx, seed, site, p_accept));
        else spins_out[site] = char(s);
        return;
    }
    if (j != pair) return;
    const uint a = j * NX, b = a + NX;
    // Sums first, put right at the two ends: a choice between two reads would become a read of a chosen place.
    const int s_a = spins_in[a + i], west_a = spins_in[a + i - 1], east_a = spins_in[a + i + 1];
    const int s_b = spins_in[b + i], west_b = spins_in[b + i - 1], east_b = spins_in[b + i + 1];
    const int first_a = spins_in[a], last_a = spins_in[a + end], first_b = spins_in[b], last_b = spins_in[b + end];
    const int in_a = west_a + east_a + (i == 0 ? last_a - west_a : 0) + (i == end ? first_a - east_a : 0);
    const int in_b = west_b + east_b + (i == 0 ? last_b - west_b : 0) + (i == end ? first_b - east_b : 0);
    const int h_a = in_a + spins_in[a - NX + i] + s_b;
    const int h_b = in_b + spins_in[b + NX + i] + s_a;
    const bool upper = ((i + j + step_idx) & 1u) != 0;
    const int s = updated(upper ? s_b : s_a, upper ? h_b : h_a, step_idx, seed, (upper ? b : a) + i, p_accept);
    spins_out[a + i] = char(upper ? s_a : s);
    spins_out[b + i] = char(upper ? s : s_b);
}
