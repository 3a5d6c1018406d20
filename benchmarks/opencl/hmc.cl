// The seed kernels of tasks/hmc in OpenCL C.
enum { MAX_D = 32 };

static uint scrambled(uint x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

static float uniform01(uint seed, uint chain, uint counter) {
    uint x = seed + chain * 0x9E3779B9u;
    x = scrambled(x ^ counter);
    x = scrambled(x);
    return (float)(x >> 8) * 0x1.0p-24f;
}

static float energy(const float *q, const float *p, __global const float *A, uint d) {
    float H = 0.0f;
    for (uint i = 0; i < d; ++i) {
        float Aq = 0.0f;
        for (uint j = 0; j < d; ++j) Aq += A[i * d + j] * q[j];
        H += 0.5f * (q[i] * Aq + p[i] * p[i]);
    }
    return H;
}

static void kick(float *p, const float *q, __global const float *A, uint d, float dt) {
    for (uint i = 0; i < d; ++i) {
        float Aq = 0.0f;
        for (uint j = 0; j < d; ++j) Aq += A[i * d + j] * q[j];
        p[i] -= dt * Aq;
    }
}

__kernel void hmc_step(__global const float *q_in,
                       __global float *q_out,
                       __global const uint *accept_in,
                       __global uint *accept_out,
                       __global const float *A,
                       const uint K,
                       const uint d,
                       const uint L,
                       const float eps,
                       const uint hmc_step_idx,
                       const uint seed) {
    const uint chain_idx = get_global_id(0);
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
