// hmc: one step of Hamiltonian Monte Carlo in K independent chains; the target is a Gaussian with precision matrix A.
//
//   p ~ N(0, 1) by Box-Muller; L leapfrog steps of size eps along -A q; accept with probability min(1, exp(-dH))
//
// q[chain*d + i], A[i*d + j], d even and at most 32. Random numbers are a hash of (seed, chain, counter): each step
// uses the counters hmc_step_idx*(d+1) ... + d, the last for the acceptance.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_D = 32;

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

static float energy(thread const float *q, thread const float *p, device const float *A, uint d) {
    float H = 0.0f;
    for (uint i = 0; i < d; ++i) {
        float Aq = 0.0f;
        for (uint j = 0; j < d; ++j) Aq += A[i * d + j] * q[j];
        H += 0.5f * (q[i] * Aq + p[i] * p[i]);
    }
    return H;
}

static void kick(thread float *p, thread const float *q, device const float *A, uint d, float dt) {
    for (uint i = 0; i < d; ++i) {
        float Aq = 0.0f;
        for (uint j = 0; j < d; ++j) Aq += A[i * d + j] * q[j];
        p[i] -= dt * Aq;
    }
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
    float q[MAX_D];
    float p[MAX_D];
    const uint base = hmc_step_idx * (d + 1);
    for (uint i = 0; i < d; i += 2) {
        q[i] = q_in[chain_idx * d + i];
        q[i + 1] = q_in[chain_idx * d + i + 1];
        const float u1 = max(uniform01(seed, chain_idx, base + i), 1e-7f);
        const float u2 = uniform01(seed, chain_idx, base + i + 1);
        const float r = sqrt(-2.0f * log(u1));
        const float angle = 2.0f * M_PI_F * u2;
        p[i] = r * cos(angle);
        p[i + 1] = r * sin(angle);
    }
    const float H0 = energy(q, p, A, d);

    kick(p, q, A, d, 0.5f * eps);
    for (uint l = 0; l < L; ++l) {
        for (uint i = 0; i < d; ++i) q[i] += eps * p[i];
        kick(p, q, A, d, l + 1 < L ? eps : 0.5f * eps);
    }

    const float dH = energy(q, p, A, d) - H0;
    const float u = uniform01(seed, chain_idx, base + d);
    const bool accepted = isfinite(dH) && log(max(u, 1e-30f)) < -dH;
    for (uint i = 0; i < d; ++i) {
        q_out[chain_idx * d + i] = accepted ? q[i] : q_in[chain_idx * d + i];
    }
    accept_out[chain_idx] = accept_in[chain_idx] + (accepted ? 1 : 0);
}
