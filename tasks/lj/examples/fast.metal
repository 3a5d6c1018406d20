// Idea: a thread does a run of up to four cells along x. The positions around the run are gathered once, into rows of x, y and z with
// the box's images already applied, column after column of nine cells, without those that are too far away in y and z;
// then each particle of the run goes over the columns around it in vector lanes: no index, no rounding to the nearest
// image and no branch is left in the loop over pairs, whose rejected ones are put so far away that their force is zero.
#include <metal_stdlib>
using namespace metal;

constant uint RUN = 4;                  // cells
constant uint ROOM = 2048;              // gathered positions; where they are more, a run is done pair by pair
constant float FAR = 1e12f;             // 1/FAR^4 is zero

static float4 into_box(float4 r, float L, float per_L) { return r - L * floor(r * per_L); }

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

static uint neighbour(uint c, uint M) { return c == 0 ? M - 1 : c > M ? 0 : c - 1; }        // c: one more than its index

static float image(uint c, uint M, float L) { return c == 0 ? -L : c > M ? L : 0.0f; }

// The factor of d in -F/24, for a pair at distance sqrt(r2).
static float pull(float r2, float rcut2) {
    const float inv2 = 1.0f / (r2 < rcut2 && r2 > 1e-12f ? r2 : FAR);
    const float inv6 = inv2 * inv2 * inv2;
    return inv6 * inv2 * (2.0f * inv6 - 1.0f);
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
    const uint per_row = (M + RUN - 1) / RUN;
    const uint length = (M + per_row - 1) / per_row;
    const uint runs = M * M * per_row;
    const uint spacing = max(1u, N / runs);             // the threads that have a run are spread over the grid
    if (i >= N || i % spacing != 0) return;
    const float per_L = 1.0f / L;
    float nx[ROOM + 16], ny[ROOM + 16], nz[ROOM + 16];
    uint start[RUN + 3];
    for (uint run = i / spacing; run < runs; run += (N - 1) / spacing + 1) {
        const uint cz = run / per_row / M, cy = run / per_row % M;
        const uint x0 = run % per_row * length, x1 = min(M, x0 + length);
        // The particles of the run lie between low and high.
        float4 low = INFINITY, high = -INFINITY;
        for (uint cx = x0; cx < x1; ++cx) {
            const uint cell = (cz * M + cy) * M + cx;
            const uint own = min(cell_count[cell], MAX_PER_CELL);
            for (uint p = 0; p < own; ++p) {
                const float4 r = into_box(pos_in[cell_list[cell * MAX_PER_CELL + p]], L, per_L);
                low = min(low, r);
                high = max(high, r);
            }
        }
        uint count = 0;
        bool fits = true;
        for (uint ox = x0; ox < x1 + 2; ++ox) {
            start[ox - x0] = count;
            for (uint n = 0; n < 9 && fits; ++n) {
                const uint oy = cy + n % 3, oz = cz + n / 3;
                const uint other = (neighbour(oz, M) * M + neighbour(oy, M)) * M + neighbour(ox, M);
                const uint there = min(cell_count[other], MAX_PER_CELL);
                const float4 shift = float4(image(ox, M, L), image(oy, M, L), image(oz, M, L), 0.0f);
                fits = count + there <= ROOM;
                if (!fits) break;
                device const uint *list = cell_list + other * MAX_PER_CELL;
                for (uint k = 0; k < there; ++k) {
                    const float4 r = into_box(pos_in[list[k]], L, per_L) + shift;
                    nx[count] = r.x;
                    ny[count] = r.y;
                    nz[count] = r.z;
                    const float4 beyond = max(max(low - r, r - high), 0.0f);
                    count += beyond.y * beyond.y + beyond.z * beyond.z < rcut2;
                }
            }
        }
        start[x1 + 2 - x0] = count;
        for (uint k = count; k < count + 16; ++k) nx[k] = ny[k] = nz[k] = 1e9f;
        for (uint cx = x0; cx < x1; ++cx) {
            const uint cell = (cz * M + cy) * M + cx;
            const uint own = min(cell_count[cell], MAX_PER_CELL);
            // Rounded outwards: what is gathered besides is beyond the cutoff.
            const uint begin = start[cx - x0] & ~7u, end = (start[cx + 3 - x0] + 7) & ~7u;
            for (uint p = 0; p < own; ++p) {
                const uint at = cell_list[cell * MAX_PER_CELL + p];
                const float4 here = into_box(pos_in[at], L, per_L);
                const float px = here.x, py = here.y, pz = here.z;
                float ax = 0.0f, ay = 0.0f, az = 0.0f;
                if (fits) {
                    for (uint k = begin; k < end; ++k) {
                        const float dx = nx[k] - px, dy = ny[k] - py, dz = nz[k] - pz;
                        const float f = pull(dx * dx + dy * dy + dz * dz, rcut2);
                        ax += f * dx;
                        ay += f * dy;
                        az += f * dz;
                    }
                } else {
                    for (uint n = 0; n < 27; ++n) {
                        const uint ox = cx + n % 3, oy = cy + n / 3 % 3, oz = cz + n / 9;
                        const uint other = (neighbour(oz, M) * M + neighbour(oy, M)) * M + neighbour(ox, M);
                        const uint there = min(cell_count[other], MAX_PER_CELL);
                        const float4 shift = float4(image(ox, M, L), image(oy, M, L), image(oz, M, L), 0.0f);
                        for (uint k = 0; k < there; ++k) {
                            const float4 r = into_box(pos_in[cell_list[other * MAX_PER_CELL + k]], L, per_L) + shift;
                            const float3 d = r.xyz - here.xyz;
                            const float f = pull(dot(d, d), rcut2);
                            ax += f * d.x;
                            ay += f * d.y;
                            az += f * d.z;
                        }
                    }
                }
                const float3 v = vel_in[at].xyz - (24.0f * dt) * float3(ax, ay, az);
                vel_out[at] = float4(v, 0.0f);
                pos_out[at] = float4(pos_in[at].xyz + v * dt, 0.0f);
            }
        }
    }
}
