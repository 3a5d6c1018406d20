// Idea: eight neighbours in Morton order are a cube of 2 x 2 x 2 cells, and three of a cell's neighbours are in its own cube. So a
// thread does a cube: along each axis a cell's two neighbours are a permutation of its own cube's lanes plus the same
// permutation of lanes taken half from the cube before and half from the one behind. That is seven cubes read in rows
// of memory and no index for a cell. Cubes are found by arithmetic on dilated integers; those on a face go cell by cell.
#include <metal_stdlib>
using namespace metal;

// The value of the neighbours on both sides along x, y or z, added up, for a half cube of lanes (x, y) with the same z.
static float4 along_x(float4 own, float4 before, float4 behind) {
    return (own + float4(behind.x, before.y, behind.z, before.w)).yxwz;
}

static float4 along_y(float4 own, float4 before, float4 behind) {
    return (own + float4(behind.xy, before.zw)).zwxy;
}

kernel void morton_stencil(device const float *u_in  [[buffer(0)]],
                           device       float *u_out [[buffer(1)]],
                           constant     uint  &N     [[buffer(2)]],
                           constant     uint  &logN  [[buffer(3)]],
                           constant     float &alpha [[buffer(4)]],
                           uint tid [[thread_position_in_grid]]) {
    if (tid % 8 != 0) {
        if (logN > 0) return;           // a grid of one cell is no cube
    }
    const uint cells = 1u << (3 * logN);
    const uint X = 0x49249249u & (cells - 1), Y = X << 1, Z = X << 2;
    const uint x = tid & X, y = tid & Y, z = tid & Z;
    const float keep = 1.0f - 6.0f * alpha;
    const bool face = x == 0 || y == 0 || z == 0 || (x | 1) == X || (y | 2) == Y || (z | 4) == Z;
    if (face) {
        for (uint l = 0; l < min(8u, cells); ++l) {
            const uint c = tid + l, cx = c & X, cy = c & Y, cz = c & Z;
            const float u = u_in[c];
            if (cx == 0 || cy == 0 || cz == 0 || cx == X || cy == Y || cz == Z) {
                u_out[c] = u;
                continue;
            }
            const float around = u_in[((cx - 1) & X) | cy | cz] + u_in[(((c | ~X) + 1) & X) | cy | cz]
                               + u_in[((cy - 1) & Y) | cx | cz] + u_in[(((c | ~Y) + 1) & Y) | cx | cz]
                               + u_in[((cz - 1) & Z) | cx | cy] + u_in[(((c | ~Z) + 1) & Z) | cx | cy];
            u_out[c] = alpha * around + keep * u;
        }
        return;
    }
    // The cubes around this one; their bits 0, 1 and 2 are zero, as this one's are.
    const uint west = (((x - 1) & X) | y | z) & ~7u, east = ((((x | 1) | ~X) + 1) & X) | y | z;
    const uint south = (((y - 1) & Y) | x | z) & ~7u, north = ((((y | 2) | ~Y) + 1) & Y) | x | z;
    const uint down = (((z - 1) & Z) | x | y) & ~7u, up = ((((z | 4) | ~Z) + 1) & Z) | x | y;
    device const float4 *u = (device const float4 *)u_in;
    device float4 *out = (device float4 *)(u_out + tid);
    const float4 low = u[tid / 4], high = u[tid / 4 + 1];
    const float4 beside_low = along_x(low, u[west / 4], u[east / 4]) + along_y(low, u[south / 4], u[north / 4]);
    const float4 beside_high =
        along_x(high, u[west / 4 + 1], u[east / 4 + 1]) + along_y(high, u[south / 4 + 1], u[north / 4 + 1]);
    out[0] = alpha * (beside_low + (u[down / 4 + 1] + high)) + keep * low;
    out[1] = alpha * (beside_high + (low + u[up / 4])) + keep * high;
}
