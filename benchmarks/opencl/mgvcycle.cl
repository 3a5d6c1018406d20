// The seed kernels of tasks/mgvcycle in OpenCL C.
static float four_minus_neighbours(__global const float *u, uint c, uint row) {
    return 4.0f * u[c] - u[c - 1] - u[c + 1] - u[c - row] - u[c + row];
}

__kernel void mg_smooth(__global const float *u_in,
                        __global const float *f,
                        __global float *u_out,
                        const uint n,
                        const float omega) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    if (gid.x > n || gid.y > n) return;
    const uint row = n + 1;
    const uint c = gid.y * row + gid.x;
    const float u = u_in[c];
    if (gid.x == 0 || gid.y == 0 || gid.x == n || gid.y == n) {
        u_out[c] = u;
        return;
    }
    const float h2 = 1.0f / ((float)(n) * (float)(n));
    u_out[c] = u + omega * (f[c] * h2 - four_minus_neighbours(u_in, c, row)) / 4.0f;
}

__kernel void mg_restrict(__global const float *u,
                          __global const float *f,
                          __global float *f_c,
                          const uint n) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    const uint n_c = n / 2;
    if (gid.x > n_c || gid.y > n_c) return;
    const uint c = gid.y * (n_c + 1) + gid.x;
    if (gid.x == 0 || gid.y == 0 || gid.x == n_c || gid.y == n_c) {
        f_c[c] = 0.0f;
        return;
    }
    const uint row = n + 1;
    float sum = 0.0f;
    for (int dj = -1; dj <= 1; ++dj) {
        for (int di = -1; di <= 1; ++di) {
            const uint p = (2 * gid.y + dj) * row + 2 * gid.x + di;
            const float r = f[p] - four_minus_neighbours(u, p, row) * (float)(n) * (float)(n);
            sum += r * (float)((2 - abs(di)) * (2 - abs(dj)));
        }
    }
    f_c[c] = sum / 16.0f;
}

__kernel void mg_prolong(__global const float *u_in,
                         __global const float *e_c,
                         __global float *u_out,
                         const uint n) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    if (gid.x > n || gid.y > n) return;
    const uint c = gid.y * (n + 1) + gid.x;
    const uint row = n / 2 + 1;
    const uint west = gid.x / 2, east = (gid.x + 1) / 2;
    const uint south = gid.y / 2, north = (gid.y + 1) / 2;
    const float e = e_c[south * row + west] + e_c[south * row + east] + e_c[north * row + west] + e_c[north * row + east];
    u_out[c] = u_in[c] + 0.25f * e;
}
