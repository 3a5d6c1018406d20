// lbm: one step of the lattice Boltzmann method, D2Q9, BGK collision, periodic in both directions.
//
// Structure of arrays: f[k*NX*NY + j*NX + i] is the density moving in direction k at cell (i, j).
//   pull     f_k  = f_in_k(i - CX_k, j - CY_k)
//   moments  rho  = sum_k f_k,   u = sum_k c_k f_k / rho
//   collide  f_out_k = f_k - (f_k - feq_k) / tau
//            feq_k = W_k rho (1 + 3 c_k.u + 4.5 (c_k.u)^2 - 1.5 |u|^2)
#include <metal_stdlib>
using namespace metal;

constant int CX[9] = {0, 1, 0, -1, 0, 1, -1, -1, 1};
constant int CY[9] = {0, 0, 1, 0, -1, 1, 1, -1, -1};
constant float W[9] = {4.0f / 9.0f,
                       1.0f / 9.0f,  1.0f / 9.0f,  1.0f / 9.0f,  1.0f / 9.0f,
                       1.0f / 36.0f, 1.0f / 36.0f, 1.0f / 36.0f, 1.0f / 36.0f};

kernel void lbm_step(device const float *f_in  [[buffer(0)]],
                     device       float *f_out [[buffer(1)]],
                     constant     uint  &NX    [[buffer(2)]],
                     constant     uint  &NY    [[buffer(3)]],
                     constant     float &tau   [[buffer(4)]],
                     uint2 gid [[thread_position_in_grid]]) {
    if (gid.x >= NX || gid.y >= NY) return;
    const int nx = int(NX);
    const int ny = int(NY);
    const int i = int(gid.x);
    const int j = int(gid.y);

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
        ux += float(CX[k]) * f[k];
        uy += float(CY[k]) * f[k];
    }
    ux /= rho;
    uy /= rho;

    const float uu = ux * ux + uy * uy;
    for (int k = 0; k < 9; ++k) {
        const float cu = float(CX[k]) * ux + float(CY[k]) * uy;
        const float feq = W[k] * rho * (1.0f + 3.0f * cu + 4.5f * cu * cu - 1.5f * uu);
        f_out[k * nx * ny + j * nx + i] = f[k] - (f[k] - feq) / tau;
    }
}
