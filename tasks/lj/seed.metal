// lj: molecular dynamics of N Lennard-Jones particles in a periodic box of side L, with cell lists.
//
//   lj_build_cells   sorts particles into M^3 cells of side L/M >= the cutoff, in any order within a cell
//   lj_step          forces from the 27 cells around a particle, then v += a dt, r += v dt (unit mass)
//
//   F_on_i = sum_j -24 (2/r^12 - 1/r^6) / r^2 * (r_j - r_i),  nearest image, r < rcut
//
// Positions are not wrapped back into the box. cell (cz*M + cy)*M + cx, list entries cell*MAX_PER_CELL + slot.
#include <metal_stdlib>
using namespace metal;

static uint3 cell_of(float3 r, float L, uint M) {
    const float3 wrapped = r - L * floor(r / L);
    return min(uint3(wrapped * (float(M) / L)), uint3(M - 1));
}

kernel void lj_build_cells(device const float4     *pos        [[buffer(0)]],
                           device       atomic_uint *cell_count [[buffer(1)]],
                           device       uint        *cell_list  [[buffer(2)]],
                           constant     uint        &N          [[buffer(3)]],
                           constant     uint        &M          [[buffer(4)]],
                           constant     float       &L          [[buffer(5)]],
                           constant     uint        &MAX_PER_CELL [[buffer(6)]],
                           uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    const uint3 c = cell_of(pos[i].xyz, L, M);
    const uint cell = (c.z * M + c.y) * M + c.x;
    const uint slot = atomic_fetch_add_explicit(&cell_count[cell], 1u, memory_order_relaxed);
    if (slot < MAX_PER_CELL) cell_list[cell * MAX_PER_CELL + slot] = i;
}

kernel void lj_step(device const float4 *pos_in     [[buffer(0)]],
                    device       float4 *pos_out    [[buffer(1)]],
                    device const float4 *vel_in     [[buffer(2)]],
                    device       float4 *vel_out    [[buffer(3)]],
                    device const uint   *cell_count [[buffer(4)]],
                    device const uint   *cell_list  [[buffer(5)]],
                    constant     uint   &N          [[buffer(6)]],
                    constant     uint   &M          [[buffer(7)]],
                    constant     float  &L          [[buffer(8)]],
                    constant     float  &rcut2      [[buffer(9)]],
                    constant     float  &dt         [[buffer(10)]],
                    constant     uint   &MAX_PER_CELL [[buffer(11)]],
                    uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    const float3 here = pos_in[i].xyz;
    const uint3 c = cell_of(here, L, M);
    float3 a = float3(0.0f);
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
    vel_out[i] = float4(v, 0.0f);
    pos_out[i] = float4(here + v * dt, 0.0f);
}
