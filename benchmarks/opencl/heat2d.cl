// The seed kernels of tasks/heat2d in OpenCL C.
__kernel void heat_step(__global const float *u_in,
                        __global float *u_out,
                        const uint NX,
                        const uint NY,
                        const float alpha) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NX || j >= NY) return;

    const uint c = j * NX + i;
    const float u = u_in[c];
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) {
        u_out[c] = u;
        return;
    }
    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);
}
