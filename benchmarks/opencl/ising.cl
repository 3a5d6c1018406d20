// The seed kernels of tasks/ising in OpenCL C.
static uint scrambled(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

__kernel void ising_step(__global const char *spins_in,
                         __global char *spins_out,
                         __global const float *p_accept,
                         const uint NX,
                         const uint NY,
                         const uint step_idx,
                         const uint seed) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
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

    uint x = scrambled(seed + step_idx * 0x9E3779B9u);
    x = scrambled(x ^ site);
    const float u = (float)(x >> 8) * 0x1.0p-24f;
    const bool flip = u < p_accept[(s * h + 4) / 2];
    const bool coloured = ((i + j) & 1u) == (step_idx & 1u);
    spins_out[site] = (char)(coloured && flip ? -s : s);
}
