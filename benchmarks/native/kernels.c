// Five of the seed kernels as a C programmer writes them, with the seed kernels' names and arguments.
#include <math.h>

typedef unsigned uint;

void saxpy(const float *restrict x, const float *restrict y, float *restrict out, float a, uint N) {
#pragma omp parallel for
    for (uint i = 0; i < N; ++i) out[i] = a * x[i] + y[i];
}

void heat_step(const float *restrict u, float *restrict out, uint NX, uint NY, float alpha) {
#pragma omp parallel for
    for (uint j = 0; j < NY; ++j) {
        const float *row = u + j * NX;
        float *to = out + j * NX;
        if (j == 0 || j == NY - 1) {
            for (uint i = 0; i < NX; ++i) to[i] = row[i];
            continue;
        }
        to[0] = row[0];
        to[NX - 1] = row[NX - 1];
        for (uint i = 1; i < NX - 1; ++i)
            to[i] = row[i] + alpha * (row[i - 1] + row[i + 1] + (row - NX)[i] + (row + NX)[i] - 4.0f * row[i]);
    }
}

void wave_step(const float *restrict prev, const float *restrict curr, float *restrict next, uint NX, uint NY, uint NZ,
               float alpha) {
    const uint plane = NX * NY;
#pragma omp parallel for collapse(2)
    for (uint k = 0; k < NZ; ++k) {
        for (uint j = 0; j < NY; ++j) {
            const float *c = curr + k * plane + j * NX, *p = prev + k * plane + j * NX;
            float *to = next + k * plane + j * NX;
            if (k == 0 || k == NZ - 1 || j == 0 || j == NY - 1) {
                for (uint i = 0; i < NX; ++i) to[i] = c[i];
                continue;
            }
            to[0] = c[0];
            to[NX - 1] = c[NX - 1];
            for (uint i = 1; i < NX - 1; ++i) {
                const float around = c[i - 1] + c[i + 1] + (c - NX)[i] + (c + NX)[i] + (c - plane)[i] + (c + plane)[i];
                to[i] = 2.0f * c[i] - p[i] + alpha * (around - 6.0f * c[i]);
            }
        }
    }
}

void lbm_step(const float *restrict f_in, float *restrict f_out, uint NX, uint NY, float tau) {
    static const int CX[9] = {0, 1, 0, -1, 0, 1, -1, -1, 1}, CY[9] = {0, 0, 1, 0, -1, 1, 1, -1, -1};
    static const float W[9] = {4.0f / 9, 1.0f / 9, 1.0f / 9, 1.0f / 9, 1.0f / 9, 1.0f / 36, 1.0f / 36, 1.0f / 36, 1.0f / 36};
    const int nx = (int)NX, ny = (int)NY;
#pragma omp parallel for
    for (int j = 0; j < ny; ++j) {
        for (int i = 0; i < nx; ++i) {
            float f[9], rho = 0, ux = 0, uy = 0;
            for (int k = 0; k < 9; ++k) {
                const int si = (i - CX[k] + nx) % nx, sj = (j - CY[k] + ny) % ny;
                f[k] = f_in[k * nx * ny + sj * nx + si];
                rho += f[k];
                ux += (float)CX[k] * f[k];
                uy += (float)CY[k] * f[k];
            }
            ux /= rho;
            uy /= rho;
            const float uu = ux * ux + uy * uy;
            for (int k = 0; k < 9; ++k) {
                const float cu = (float)CX[k] * ux + (float)CY[k] * uy;
                const float feq = W[k] * rho * (1.0f + 3.0f * cu + 4.5f * cu * cu - 1.5f * uu);
                f_out[k * nx * ny + j * nx + i] = f[k] - (f[k] - feq) / tau;
            }
        }
    }
}

void nbody_step(const float *restrict pos, float *restrict pos_out, const float *restrict vel, float *restrict vel_out,
                const float *restrict mass, uint N, float dt, float eps, float G) {
#pragma omp parallel for
    for (uint i = 0; i < N; ++i) {
        const float x = pos[4 * i], y = pos[4 * i + 1], z = pos[4 * i + 2];
        float ax = 0, ay = 0, az = 0;
        for (uint j = 0; j < N; ++j) {
            const float dx = pos[4 * j] - x, dy = pos[4 * j + 1] - y, dz = pos[4 * j + 2] - z;
            const float r2 = dx * dx + dy * dy + dz * dz + eps * eps;
            const float w = mass[j] / (r2 * sqrtf(r2));
            ax += w * dx;
            ay += w * dy;
            az += w * dz;
        }
        const float v[3] = {vel[4 * i] + G * ax * dt, vel[4 * i + 1] + G * ay * dt, vel[4 * i + 2] + G * az * dt};
        for (int k = 0; k < 3; ++k) {
            vel_out[4 * i + k] = v[k];
            pos_out[4 * i + k] = pos[4 * i + k] + v[k] * dt;
        }
        vel_out[4 * i + 3] = pos_out[4 * i + 3] = 0;
    }
}
