// Idea: 32 chains to a thread, side by side in vector lanes, from the random numbers to the acceptance. An entry of A is read as
// one scalar for all of them, two rows of the product at a time, so that nothing is gathered and the sums stay in
// registers; d is an ordinary loop bound. The potential energies come with the gradients that are needed anyway. That
// suits a processor with a few wide cores; a GPU wants a thread a chain at least: see gpu.metal.
#include <metal_stdlib>
using namespace metal;

constant uint MAX_D = 32;
constant uint LANES = 32;

static uint mix(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

static float uniform01(uint key, uint counter) { return float(mix(mix(key ^ counter)) >> 8) * 0x1.0p-24f; }

// p -= dt A q for all lanes, and energy += q.A q.
static void kick(thread float *p, thread const float *q, thread float *energy, device const float *A, uint d, float dt) {
    for (uint i = 0; i < d; i += 2) {
        float a[LANES], b[LANES];
        for (uint l = 0; l < LANES; ++l) a[l] = b[l] = 0.0f;
        // The lanes are to become vectors, not the terms of the sum.
#pragma clang loop vectorize(disable)
        for (uint j = 0; j < d; ++j) {
            const float first = A[i * d + j], second = A[(i + 1) * d + j];
            for (uint l = 0; l < LANES; ++l) {
                a[l] += first * q[j * LANES + l];
                b[l] += second * q[j * LANES + l];
            }
        }
        for (uint l = 0; l < LANES; ++l) {
            energy[l] += a[l] * q[i * LANES + l] + b[l] * q[(i + 1) * LANES + l];
            p[i * LANES + l] -= dt * a[l];
            p[(i + 1) * LANES + l] -= dt * b[l];
        }
    }
}

static void add_kinetic(thread float *energy, thread const float *p, uint d) {
    for (uint i = 0; i < d; ++i) {
        for (uint l = 0; l < LANES; ++l) energy[l] += p[i * LANES + l] * p[i * LANES + l];
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
    if (chain_idx >= K || chain_idx % LANES != 0) return;
    float q[MAX_D * LANES], p[MAX_D * LANES], before[LANES], after[LANES];
    const uint base = hmc_step_idx * (d + 1);
    const uint D = min(d, MAX_D);
    for (uint i = 0; i < D; i += 2) {
        for (uint l = 0; l < LANES; ++l) {
            const uint key = seed + (chain_idx + l) * 0x9E3779B9u;
            const float r = sqrt(-2.0f * log(max(uniform01(key, base + i), 1e-7f)));
            const float angle = 2.0f * M_PI_F * uniform01(key, base + i + 1);
            p[i * LANES + l] = r * cos(angle);
            p[(i + 1) * LANES + l] = r * sin(angle);
        }
        for (uint l = 0; l < LANES; ++l) {              // beyond the last chain it is done again, and not stored
            const uint chain = min(chain_idx + l, K - 1);
            q[i * LANES + l] = q_in[chain * d + i];
            q[(i + 1) * LANES + l] = q_in[chain * d + i + 1];
        }
    }
    for (uint l = 0; l < LANES; ++l) before[l] = after[l] = 0.0f;
    add_kinetic(before, p, D);
    kick(p, q, before, A, D, 0.5f * eps);
    for (uint step = 1; step <= L; ++step) {
        for (uint i = 0; i < D * LANES; ++i) q[i] += eps * p[i];
        for (uint l = 0; l < LANES; ++l) after[l] = 0.0f;
        kick(p, q, after, A, D, step < L ? eps : 0.5f * eps);
    }
    add_kinetic(after, p, D);
    for (uint l = 0; l < LANES && chain_idx + l < K; ++l) {
        const uint chain = chain_idx + l;
        const float dH = 0.5f * (after[l] - before[l]);
        const float u = uniform01(seed + chain * 0x9E3779B9u, base + d);
        const bool accepted = isfinite(dH) && log(max(u, 1e-30f)) < -dH;
        for (uint i = 0; i < D; ++i) q_out[chain * d + i] = accepted ? q[i * LANES + l] : q_in[chain * d + i];
        accept_out[chain] = accept_in[chain] + (accepted ? 1 : 0);
    }
}
