// The seed kernels of tasks/lbm in OpenCL C.
__constant int CX[9] = {0, 1, 0, -1, 0, 1, -1, -1, 1};
__constant int CY[9] = {0, 0, 1, 0, -1, 1, 1, -1, -1};
__constant float W[9] = {4.0f / 9.0f,
                       1.0f / 9.0f,  1.0f / 9.0f,  1.0f / 9.0f,  1.0f / 9.0f,
                       1.0f / 36.0f, 1.0f / 36.0f, 1.0f / 36.0f, 1.0f / 36.0f};

__kernel void lbm_step(__global const float *f_in,
                       __global float *f_out,
                       const uint NX,
                       const uint NY,
                       const float tau) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    if (gid.x >= NX || gid.y >= NY) return;
    const int nx = (int)(NX);
    const int ny = (int)(NY);
    const int i = (int)(gid.x);
    const int j = (int)(gid.y);

    float f[9];
    for (int k = 0; k < 9; ++k) {
        const int si = (i - CX[k] + nx) % nx;
        const int sj = (j - CY[k] + ny) % ny;
        f[k] = f_in[k * nx * ny + sj * nx + si];
    }

    float rho = 0.0f;
    float ux = 0.0f;
    float uy = 0.0f;
    for (int k = 0; k < 9; ++k) {
        rho += f[k];
        ux += (float)(CX[k]) * f[k];
        uy += (float)(CY[k]) * f[k];
    }
    ux /= rho;
    uy /= rho;

    const float uu = ux * ux + uy * uy;
    for (int k = 0; k < 9; ++k) {
        const float cu = (float)(CX[k]) * ux + (float)(CY[k]) * uy;
        const float feq = W[k] * rho * (1.0f + 3.0f * cu + 4.5f * cu * cu - 1.5f * uu);
        f_out[k * nx * ny + j * nx + i] = f[k] - (f[k] - feq) / tau;
    }
}
