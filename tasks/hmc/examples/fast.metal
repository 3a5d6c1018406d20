// Idea: one instance of the step for each even d up to 32, with d a constant, and vectors of four: the sums of a matrix
// product stay in registers. All dimensions are there, so none falls back on one that it does not fit. A d that is no multiple of four
// is padded with zeros, which stay zero. The position before the step is read again where the proposal is refused, rather
// than kept; the potential energies come with the gradients that are needed anyway.
#include <metal_stdlib>
using namespace metal;

static uint mix(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

static float uniform01(uint chain_key, uint counter) {
    return float(mix(mix(chain_key ^ counter)) >> 8) * 0x1.0p-24f;
}

// Row j of A, four of its entries from column 4*i on.
template <uint D>
static float4 entries(device const float *A, uint j, uint i) {
    device const float *at = A + j * D + 4 * i;
    if (4 * i + 4 <= D) return float4(*(device const packed_float4 *)at);
    return float4(at[0], at[1], 0.0f, 0.0f);
}

// g = A q, four columns at a time, which for a symmetric A are its rows.
template <uint D>
static void gradient(thread float4 *g, thread const float4 *q, device const float *A) {
    constexpr uint V = (D + 3) / 4;
    for (uint i = 0; i < V; ++i) g[i] = 0.0f;
#pragma clang loop unroll(disable)
    for (uint block = 0; block < V; ++block) {
        const uint j = 4 * block;
        const float4 s = q[block];
        for (uint i = 0; i < V; ++i) g[i] += entries<D>(A, j, i) * s.x + entries<D>(A, j + 1, i) * s.y;
        if (j + 2 < D) {
            for (uint i = 0; i < V; ++i) g[i] += entries<D>(A, j + 2, i) * s.z + entries<D>(A, j + 3, i) * s.w;
        }
    }
}

template <uint D>
static float twice(thread const float4 *q, thread const float4 *g, thread const float4 *p) {
    constexpr uint V = (D + 3) / 4;
    float4 sum = 0.0f;
    for (uint i = 0; i < V; ++i) sum += q[i] * g[i] + p[i] * p[i];
    return sum.x + sum.y + sum.z + sum.w;
}

template <uint D>
static void step(device const float *q_in, device float *q_out, device const uint *accept_in, device uint *accept_out,
                 device const float *A, uint L, float eps, uint base, uint seed, uint chain) {
    constexpr uint V = (D + 3) / 4;
    const uint key = seed + chain * 0x9E3779B9u;
    float4 q[V], p[V], g[V];
    q[V - 1] = 0.0f;
    p[V - 1] = 0.0f;
    for (uint i = 0; i < D; i += 2) {
        q[i / 4][i % 4] = q_in[chain * D + i];
        q[i / 4][i % 4 + 1] = q_in[chain * D + i + 1];
        const float r = sqrt(-2.0f * log(max(uniform01(key, base + i), 1e-7f)));
        const float angle = 2.0f * M_PI_F * uniform01(key, base + i + 1);
        p[i / 4][i % 4] = r * cos(angle);
        p[i / 4][i % 4 + 1] = r * sin(angle);
    }
    gradient<D>(g, q, A);
    const float H0 = twice<D>(q, g, p);
    for (uint i = 0; i < V; ++i) p[i] -= 0.5f * eps * g[i];
    for (uint l = 0; l < L; ++l) {
        for (uint i = 0; i < V; ++i) q[i] += eps * p[i];
        gradient<D>(g, q, A);
        const float kick = l + 1 < L ? eps : 0.5f * eps;
        for (uint i = 0; i < V; ++i) p[i] -= kick * g[i];
    }
    const float dH = 0.5f * (twice<D>(q, g, p) - H0);
    const bool accepted = isfinite(dH) && log(max(uniform01(key, base + D), 1e-30f)) < -dH;
    for (uint i = 0; i < D; ++i) q_out[chain * D + i] = accepted ? q[i / 4][i % 4] : q_in[chain * D + i];
    accept_out[chain] = accept_in[chain] + (accepted ? 1 : 0);
}

#define CASE(D) case D: step<D>(q_in, q_out, accept_in, accept_out, A, L, eps, base, seed, chain_idx); break;

kernel void hmc_step(device const float *q_in         [[buffer(0)]],
                     device       float *q_out        [[buffer(1)]],
                     device const uint  *accept_in    [[buffer(2)]],
                     device       uint  *accept_out   [[buffer(3)]],
                     device const float *A            [[buffer(4)]],
                     constant     uint  &K            [[buffer(5)]],
                     constant     uint  &d            [[buffer(6)]],
                     constant     uint  &L            [[buffer(7)]],
                     constant     float &eps          [[buffer(8)]],
                     constant     uint  &hmc_step_idx [[buffer(9)]],
                     constant     uint  &seed         [[buffer(10)]],
                     uint chain_idx [[thread_position_in_grid]]) {
    if (chain_idx >= K) return;
    const uint base = hmc_step_idx * (d + 1);
    switch (d) {
        CASE(2) CASE(4) CASE(6) CASE(8) CASE(10) CASE(12) CASE(14) CASE(16)
        CASE(18) CASE(20) CASE(22) CASE(24) CASE(26) CASE(28) CASE(30) CASE(32)
    }
}
