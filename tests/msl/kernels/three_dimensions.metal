// run laplace threads=8,7,6 group=4,4,2 u=336 NX=#8 NY=#7 NZ=#6 out=336
#include <metal_stdlib>
using namespace metal;
kernel void laplace(device const float *u [[buffer(0)]], device float *out [[buffer(1)]],
                    constant uint &NX [[buffer(2)]], constant uint &NY [[buffer(3)]], constant uint &NZ [[buffer(4)]],
                    uint3 g [[thread_position_in_grid]]) {
    uint c = (g.z * NY + g.y) * NX + g.x;
    bool face = any(g == uint3(0)) || g.x == NX - 1 || g.y == NY - 1 || g.z == NZ - 1;
    if (face) { out[c] = u[c]; return; }
    out[c] = u[c - 1] + u[c + 1] + u[c - NX] + u[c + NX] + u[c - NX * NY] + u[c + NX * NY] - 6.0f * u[c];
}
