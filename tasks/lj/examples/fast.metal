// Idea: the pairs of a cell are looked at sixteen at a time, in a loop of fixed length whose rounds are independent, so that it runs
// in vector lanes: no branch tells who is within the cutoff, the force of who is not is zero. Wrapped cell indices
// are found once a cell, and a pair costs one division.
#include <metal_stdlib>
using namespace metal;

static float3 into_box(float3 r, float L) { return r - L * floor(r / L); }

static uint3 cell_of(float3 r, float L, uint M) { return min(uint3(into_box(r, L) * (float(M) / L)), uint3(M - 1)); }

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
    const float inv_L = 1.0f / L;
    device const float *pos = (device const float *)pos_in;
    float ax = 0.0f, ay = 0.0f, az = 0.0f;
    for (uint oz = 0; oz < 3; ++oz) {
        uint cz = c.z + M - 1 + oz;
        cz -= cz >= 2 * M ? 2 * M : cz >= M ? M : 0;
        for (uint oy = 0; oy < 3; ++oy) {
            uint cy = c.y + M - 1 + oy;
            cy -= cy >= 2 * M ? 2 * M : cy >= M ? M : 0;
            for (uint ox = 0; ox < 3; ++ox) {
                uint cx = c.x + M - 1 + ox;
                cx -= cx >= 2 * M ? 2 * M : cx >= M ? M : 0;
                const uint cell = (cz * M + cy) * M + cx;
                const uint count = min(cell_count[cell], MAX_PER_CELL);
                device const uint *list = cell_list + cell * MAX_PER_CELL;
                for (uint first = 0; first < count; first += 16) {
                    for (uint k = 0; k < 16; ++k) {
                        const bool valid = first + k < count;
                        const uint at = valid ? 4 * list[first + k] : 0;
                        float dx = pos[at] - here.x;
                        float dy = pos[at + 1] - here.y;
                        float dz = pos[at + 2] - here.z;
                        dx -= L * rint(dx * inv_L);
                        dy -= L * rint(dy * inv_L);
                        dz -= L * rint(dz * inv_L);
                        const float r2 = fma(dx, dx, fma(dy, dy, dz * dz));
                        const bool inside = valid && r2 < rcut2 && r2 > 1e-12f;
                        const float inv2 = 1.0f / (inside ? r2 : 1.0f);
                        const float inv6 = inv2 * inv2 * inv2;
                        const float f = inside ? 24.0f * inv6 * inv2 * (2.0f * inv6 - 1.0f) : 0.0f;
                        ax -= f * dx;
                        ay -= f * dy;
                        az -= f * dz;
                    }
                }
            }
        }
    }
    const float3 v = vel_in[i].xyz + dt * float3(ax, ay, az);
    vel_out[i] = float4(v, 0.0f);
    pos_out[i] = float4(here + v * dt, 0.0f);
}
