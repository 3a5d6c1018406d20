// Idea: one thread a particle, and most of the 27 cells' work left out before any pair is looked at: a cell none of whose points is
// within the cutoff of the particle is skipped, which is a third of them. A cell's periodic image is one shift for the
// whole cell, so that a pair needs no rounding, and a pair costs one division. Particles that are neighbours in memory
// are neighbours in space, so that lanes of a simdgroup visit the same cells and their reads meet in the cache.
#include <metal_stdlib>
using namespace metal;

static float3 into_box(float3 r, float L) { return r - L * floor(r / L); }

static uint3 cell_of(float3 inside, float L, uint M) { return min(uint3(inside * (float(M) / L)), uint3(M - 1)); }

kernel void lj_build_cells(device const float4     *pos        [[buffer(0)]],
                           device       atomic_uint *cell_count [[buffer(1)]],
                           device       uint        *cell_list  [[buffer(2)]],
                           constant     uint        &N          [[buffer(3)]],
                           constant     uint        &M          [[buffer(4)]],
                           constant     float       &L          [[buffer(5)]],
                           constant     uint        &MAX_PER_CELL [[buffer(6)]],
                           uint i [[thread_position_in_grid]]) {
    if (i >= N) return;
    const uint3 c = cell_of(into_box(pos[i].xyz, L), L, M);
    const uint cell = (c.z * M + c.y) * M + c.x;
    const uint slot = atomic_fetch_add_explicit(&cell_count[cell], 1u, memory_order_relaxed);
    if (slot < MAX_PER_CELL) cell_list[cell * MAX_PER_CELL + slot] = i;
}

// Along one axis: the cell `step - 1` from cell c, the shift of its image, and the distance of x from it.
static uint beside(uint c, uint step, uint M, float L, float side, float x, thread float &shift, thread float &gap) {
    const uint at = c + step;           // one more than the cell
    gap = step == 1 ? 0.0f : step == 0 ? x - float(c) * side : float(c + 1) * side - x;
    gap = max(gap - 1e-5f * L, 0.0f);   // cells are a little larger than they are for rounding's sake
    shift = at == 0 ? -L : at > M ? L : 0.0f;
    return at == 0 ? M - 1 : at > M ? 0 : at - 1;
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
    const float3 here = into_box(pos_in[i].xyz, L);
    const uint3 c = cell_of(here, L, M);
    const float side = L / float(M);
    float3 a = float3(0.0f);
    for (uint n = 0; n < 27; ++n) {
        float3 shift, gap;
        float s, g;
        const uint cx = beside(c.x, n % 3, M, L, side, here.x, s, g);
        shift.x = s;
        gap.x = g;
        const uint cy = beside(c.y, n / 3 % 3, M, L, side, here.y, s, g);
        shift.y = s;
        gap.y = g;
        const uint cz = beside(c.z, n / 9, M, L, side, here.z, s, g);
        shift.z = s;
        gap.z = g;
        if (dot(gap, gap) >= rcut2) continue;
        const uint cell = (cz * M + cy) * M + cx;
        const uint count = min(cell_count[cell], MAX_PER_CELL);
        device const uint *list = cell_list + cell * MAX_PER_CELL;
        for (uint slot = 0; slot < count; ++slot) {
            const float3 d = into_box(pos_in[list[slot]].xyz, L) + shift - here;
            const float r2 = dot(d, d);
            if (r2 >= rcut2 || r2 <= 1e-12f) continue;
            const float inv2 = 1.0f / r2;
            const float inv6 = inv2 * inv2 * inv2;
            a -= inv6 * inv2 * (2.0f * inv6 - 1.0f) * d;
        }
    }
    const float3 v = vel_in[i].xyz + (24.0f * dt) * a;
    vel_out[i] = float4(v, 0.0f);
    pos_out[i] = float4(pos_in[i].xyz + v * dt, 0.0f);
}
