// The seed kernels of tasks/adi3d in OpenCL C.
enum { MAX_LINE = 1024 };

// The line of n cells that starts at `first` with the given stride.
static void solve(__global const float *u, __global float *v, uint first, uint stride, uint n, float mu) {
    float c[MAX_LINE];                  // v_i = d_i - c_i v_{i+1}; the d_i stand in v meanwhile
    c[0] = 0.0f;
    v[first] = u[first];
    for (uint i = 1; i < n - 1; ++i) {
        const float pivot = 1.0f + 2.0f * mu + mu * c[i - 1];
        c[i] = -mu / pivot;
        v[first + i * stride] = (u[first + i * stride] + mu * v[first + (i - 1) * stride]) / pivot;
    }
    v[first + (n - 1) * stride] = u[first + (n - 1) * stride];
    for (uint i = n - 2; i > 0; --i) {
        v[first + i * stride] -= c[i] * v[first + (i + 1) * stride];
    }
}

static void copy(__global const float *u, __global float *v, uint first, uint stride, uint n) {
    for (uint i = 0; i < n; ++i) v[first + i * stride] = u[first + i * stride];
}

__kernel void adi_x(__global const float *u_in,
                    __global float *u_out,
                    const uint NX,
                    const uint NY,
                    const uint NZ,
                    const float mu) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    const uint j = gid.x;
    const uint k = gid.y;
    if (j >= NY || k >= NZ) return;
    const uint first = (k * NY + j) * NX;
    if (j == 0 || k == 0 || j == NY - 1 || k == NZ - 1) copy(u_in, u_out, first, 1, NX);
    else solve(u_in, u_out, first, 1, NX, mu);
}

__kernel void adi_y(__global const float *u_in,
                    __global float *u_out,
                    const uint NX,
                    const uint NY,
                    const uint NZ,
                    const float mu) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    const uint i = gid.x;
    const uint k = gid.y;
    if (i >= NX || k >= NZ) return;
    const uint first = k * NY * NX + i;
    if (i == 0 || k == 0 || i == NX - 1 || k == NZ - 1) copy(u_in, u_out, first, NX, NY);
    else solve(u_in, u_out, first, NX, NY, mu);
}

__kernel void adi_z(__global const float *u_in,
                    __global float *u_out,
                    const uint NX,
                    const uint NY,
                    const uint NZ,
                    const float mu) {
    const uint2 gid = (uint2)(get_global_id(0), get_global_id(1));
    const uint i = gid.x;
    const uint j = gid.y;
    if (i >= NX || j >= NY) return;
    const uint first = j * NX + i;
    if (i == 0 || j == 0 || i == NX - 1 || j == NY - 1) copy(u_in, u_out, first, NX * NY, NZ);
    else solve(u_in, u_out, first, NX * NY, NZ, mu);
}
