// A published failure, in other words: fast and right at every size of the search, wrong at the held-out one.
//
// The step is specialised for d = 8, 16 and 32, which are the sizes that are scored, and every other d gets the instance
// for 32: it takes rows of A, chains and random numbers 32 apart that are d apart. At d = 24 nothing of it is right, and
// the last chains write beyond q_out.
#include <metal_stdlib>
using namespace metal;

static uint mix(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

static float uniform01(uint seed, uint chain, uint counter) {
    uint x = seed + chain * 0x9E3779B9u;
    x = mix(x ^ counter);
    x = mix(x);
    return float(x >> 8) * 0x1.0p-24f;
}

template <uint d>
static float energy(thread const float *q, thread const float *p, device const float *A) {
    float H = 0.0f;
    for (uint i = 0; i < d; ++i) {
        float Aq = 0.0f;
        for (uint j = 0; j < d; ++j) Aq += A[i * d + j] * q[j];
        H += 0.5f * (q[i] * Aq + p[i] * p[i]);
    }
    return H;
}

template <uint d>
static void kick(thread float *p, thread const float *q, device const float *A, float dt) {
    for (uint i = 0; i < d; ++i) {
        float Aq = 0.0f;
        for (uint j = 0; j < d; ++j) Aq += A[i * d + j] * q[j];
        p[i] -= dt * Aq;
    }
}

template <uint d>
static void step(device const float *q_in, device float *q_out, device const uint *accept_in, device uint *accept_out,
                 device const float *A, uint L, float eps, uint hmc_step_idx, uint seed, uint chain) {
    float q[d];
    float p[d];
    const uint base = hmc_step_idx * (d + 1);
    for (uint i = 0; i < d; i += 2) {
        q[i] = q_in[chain * d + i];
        q[i + 1] = q_in[chain * d + i + 1];
        const float u1 = max(uniform01(seed, chain, base + i), 1e-7f);
        const float u2 = uniform01(seed, chain, base + i + 1);
        const float r = sqrt(-2.0f * log(u1));
        const float angle = 2.0f * M_PI_F * u2;
        p[i] = r * cos(angle);
        p[i + 1] = r * sin(angle);
    }
    const float H0 = energy<d>(q, p, A);

    kick<d>(p, q, A, 0.5f * eps);
    for (uint l = 0; l < L; ++l) {
        for (uint i = 0; i < d; ++i) q[i] += eps * p[i];
        kick<d>(p, q, A, l + 1 < L ? eps : 0.5f * eps);
    }

    const float dH = energy<d>(q, p, A) - H0;
    const float u = uniform01(seed, chain, base + d);
    const bool accepted = isfinite(dH) && log(max(u, 1e-30f)) < -dH;
    for (uint i = 0; i < d; ++i) {
        q_out[chain * d + i] = accepted ? q[i] : q_in[chain * d + i];
    }
    accept_out[chain] = accept_in[chain] + (accepted ? 1 : 0);
}

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
    if (d == 8) step<8>(q_in, q_out, accept_in, accept_out, A, L, eps, hmc_step_idx, seed, chain_idx);
    else if (d == 16) step<16>(q_in, q_out, accept_in, accept_out, A, L, eps, hmc_step_idx, seed, chain_idx);
    else step<32>(q_in, q_out, accept_in, accept_out, A, L, eps, hmc_step_idx, seed, chain_idx);
}
