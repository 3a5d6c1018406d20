// The seed kernels of tasks/wave3d in OpenCL C.
__kernel void wave_step(__global const float *u_prev,
                        __global const float *u_curr,
                        __global float *u_next,
                        const uint NX,
                        const uint NY,
                        const uint NZ,
                        const float alpha) {
    const uint3 gid = (uint3)(get_global_id(0), get_global_id(1), get_global_id(2));
    const uint i = gid.x;
    const uint j = gid.y;
    const uint k = gid.z;
    if (i >= NX || j >= NY || k >= NZ) return;

    const uint plane = NX * NY;
    const uint c = k * plane + j * NX + i;
    const float u = u_curr[c];
    if (i == 0 || j == 0 || k == 0 || i == NX - 1 || j == NY - 1 || k == NZ - 1) {
        u_next[c] = u;
        return;
    }
    const float around = u_curr[c - 1] + u_curr[c + 1] + u_curr[c - NX] + u_curr[c + NX]
                       + u_curr[c - plane] + u_curr[c + plane];
    u_next[c] = 2.0f * u - u_prev[c] + alpha * (around - 6.0f * u);
}
