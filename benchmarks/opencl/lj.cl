// The seed kernels of tasks/lj in OpenCL C.
static uint3 cell_of(float3 r, float L, uint M) {
    const float3 wrapped = r - L * floor(r / L);
    return min(convert_uint3(wrapped * ((float)(M) / L)), (uint3)(M - 1));
}

__kernel void lj_build_cells(__global const float4 *pos,
                             volatile __global uint *cell_count,
                             __global uint *cell_list,
                             const uint N,
                             const uint M,
                             const float L,
                             const uint MAX_PER_CELL) {
    const uint i = get_global_id(0);
    if (i >= N) return;
    const uint3 c = cell_of(pos[i].xyz, L, M);
    const uint cell = (c.z * M + c.y) * M + c.x;
    const uint slot = atomic_add(&cell_count[cell], 1u);
    if (slot < MAX_PER_CELL) cell_list[cell * MAX_PER_CELL + slot] = i;
}

__kernel void lj_step(__global const float4 *pos_in,
                      __global float4 *pos_out,
                      __global const float4 *vel_in,
                      __global float4 *vel_out,
                      __global const uint *cell_count,
                      __global const uint *cell_list,
                      const uint N,
                      const uint M,
                      const float L,
                      const float rcut2,
                      const float dt,
                      const uint MAX_PER_CELL) {
    const uint i = get_global_id(0);
    if (i >= N) return;
    const float3 here = pos_in[i].xyz;
    const uint3 c = cell_of(here, L, M);
    float3 a = (float3)(0.0f);
    for (uint n = 0; n < 27; ++n) {
        const uint cx = (c.x + M - 1 + n % 3) % M;
        const uint cy = (c.y + M - 1 + n / 3 % 3) % M;
        const uint cz = (c.z + M - 1 + n / 9) % M;
        const uint cell = (cz * M + cy) * M + cx;
        const uint count = min(cell_count[cell], MAX_PER_CELL);
        for (uint slot = 0; slot < count; ++slot) {
            const uint j = cell_list[cell * MAX_PER_CELL + slot];
            float3 d = pos_in[j].xyz - here;
            d -= L * round(d / L);
            const float r2 = dot(d, d);
            if (r2 >= rcut2 || r2 <= 1e-12f) continue;
            const float inv2 = 1.0f / r2;
            const float inv6 = inv2 * inv2 * inv2;
            a -= 24.0f * (2.0f * inv6 * inv6 - inv6) * inv2 * d;
        }
    }
    const float3 v = vel_in[i].xyz + a * dt;
    vel_out[i] = (float4)(v, 0.0f);
    pos_out[i] = (float4)(here + v * dt, 0.0f);
}
