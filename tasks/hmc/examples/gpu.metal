// Idea: one thread a chain, its state in registers: an instance of the step for every multiple of four up to 32, with vectors of four,
// so that no array is indexed by a variable. A is read once a threadgroup into threadgroup memory, padded with zeros to
// the instance's size, where all lanes read the same word; so every even d has an instance that fits it. The position
// before the step is read again where the proposal is refused, rather than kept.
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

// g = A q, four columns at a time, which for a symmetric A are its rows.
template <uint V>
static void gradient(thread float4 *g, thread const float4 *q, threadgroup const float4 *A) {
    for (uint i = 0; i < V; ++i) g[i] = 0.0f;
    for (uint block = 0; block < V; ++block) {
        threadgroup const float4 *rows = A + 4 * block * V;
        const float4 s = q[block];
        for (uint i = 0; i < V; ++i) {
            g[i] += rows[i] * s.x + rows[V + i] * s.y + rows[2 * V + i] * s.z + rows[3 * V + i] * s.w;
        }
    }
}

template <uint V>
static float twice(thread const float4 *q, thread const float4 *g, thread const float4 *p) {
    float4 sum = 0.0f;
    for (uint i = 0; i < V; ++i) sum += q[i] * g[i] + p[i] * p[i];
    return sum.x + sum.y + sum.z + sum.w;
}

template <uint V>
static void step(device const float *q_in, device float *q_out, device const uint *accept_in, device uint *accept_out,
                 threadgroup const float4 *A, uint d, uint L, float eps, uint base, uint seed, uint chain) {
    const uint key = seed + chain * 0x9E3779B9u;
    device const float2 *from = (device const float2 *)(q_in + chain * d);
    float4 q[V], p[V], g[V];
    for (uint i = 0; i < V; ++i) {
        for (uint half_vector = 0; half_vector < 2; ++half_vector) {
            const uint at = 4 * i + 2 * half_vector;
            float2 position = 0.0f, momentum = 0.0f;
            if (at < d) {
                position = from[at / 2];
                const float r = sqrt(-2.0f * log(max(uniform01(key, base + at), 1e-7f)));
                const float angle = 2.0f * M_PI_F * uniform01(key, base + at + 1);
                momentum = r * float2(cos(angle), sin(angle));
            }
            if (half_vector == 0) {
                q[i].xy = position;
                p[i].xy = momentum;
            } else {
                q[i].zw = position;
                p[i].zw = momentum;
            }
        }
    }
    gradient<V>(g, q, A);
    const float H0 = twice<V>(q, g, p);
    for (uint i = 0; i < V; ++i) p[i] -= 0.5f * eps * g[i];
    for (uint l = 0; l < L; ++l) {
        for (uint i = 0; i < V; ++i) q[i] += eps * p[i];
        gradient<V>(g, q, A);
        const float kick = l + 1 < L ? eps : 0.5f * eps;
        for (uint i = 0; i < V; ++i) p[i] -= kick * g[i];
    }
    const float dH = 0.5f * (twice<V>(q, g, p) - H0);
    const bool accepted = isfinite(dH) && log(max(uniform01(key, base + d), 1e-30f)) < -dH;
    device float2 *to = (device float2 *)(q_out + chain * d);
    for (uint i = 0; i < V; ++i) {
        if (4 * i < d) to[2 * i] = accepted ? q[i].xy : from[2 * i];
        if (4 * i + 2 < d) to[2 * i + 1] = accepted ? q[i].zw : from[2 * i + 1];
    }
    accept_out[chain] = accept_in[chain] + (accepted ? 1 : 0);
}

#define CASE(V) case V: step<V>(q_in, q_out, accept_in, accept_out, rows, d, L, eps, base, seed, chain_idx); break;

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
                     uint chain_idx [[thread_position_in_grid]],
                     uint lane      [[thread_position_in_threadgroup]],
                     uint width     [[threads_per_threadgroup]]) {
    threadgroup float4 rows[32 * 8];
    const uint vectors = (d + 3) / 4, padded = 4 * vectors;
    threadgroup float *entries = (threadgroup float *)rows;
    for (uint at = lane; at < padded * padded; at += width) {
        const uint i = at / padded, j = at % padded;
        entries[at] = i < d && j < d ? A[i * d + j] : 0.0f;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (chain_idx >= K) return;
    const uint base = hmc_step_idx * (d + 1);
    switch (vectors) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
    }
}
