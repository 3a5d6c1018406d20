// ising: half a sweep of checkerboard Metropolis on an NX x NY lattice, periodic, spins +1 and -1.
//
// One call updates the sites of colour step_idx & 1, those with (i + j) & 1 equal to it, and copies the others.
//   h = sum of the four neighbours,   flip if u < p_accept[(s*h + 4) / 2]
// u is a hash of (seed, step_idx, site), uniform on [0, 1): every site draws its own number, in any order.
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

    const uint site = j * NX + i;
    const uint left = j * NX + (i + NX - 1) % NX;
    const uint right = j * NX + (i + 1) % NX;
    const uint down = ((j + NY - 1) % NY) * NX + i;
    const uint up = ((j + 1) % NY) * NX + i;
    const int s = spins_in[site];
    const int h = spins_in[left] + spins_in[right] + spins_in[down] + spins_in[up];

    uint x = mix(seed + step_idx * 0x9E3779B9u);
    x = mix(x ^ site);
    const float u = float(x >> 8) * 0x1.0p-24f;
    const bool flip = u < p_accept[(s * h + 4) / 2];
    const bool coloured = ((i + j) & 1u) == (step_idx & 1u);
    spins_out[site] = char(coloured && flip ? -s : s);
}
