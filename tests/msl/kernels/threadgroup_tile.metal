// run blur threads=32,16 group=8,8 u=32x16 NX=#32 NY=#16 out=32x16
#include <metal_stdlib>
using namespace metal;
#define TILE 8
kernel void blur(device const float *u [[buffer(0)]], device float *out [[buffer(1)]],
                 constant uint &NX [[buffer(2)]], constant uint &NY [[buffer(3)]],
                 uint2 gid [[thread_position_in_grid]], uint2 t [[thread_position_in_threadgroup]]) {
    threadgroup float tile[TILE + 2][TILE + 2];
    const uint c = gid.y * NX + gid.x;
    tile[t.y + 1][t.x + 1] = u[c];
    if (t.x == 0) tile[t.y + 1][0] = gid.x > 0 ? u[c - 1] : 0.0f;
    if (t.x == TILE - 1) tile[t.y + 1][TILE + 1] = gid.x + 1 < NX ? u[c + 1] : 0.0f;
    if (t.y == 0) tile[0][t.x + 1] = gid.y > 0 ? u[c - NX] : 0.0f;
    if (t.y == TILE - 1) tile[TILE + 1][t.x + 1] = gid.y + 1 < NY ? u[c + NX] : 0.0f;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[c] = 0.25f * (tile[t.y][t.x + 1] + tile[t.y + 2][t.x + 1] + tile[t.y + 1][t.x] + tile[t.y + 1][t.x + 2]);
}
