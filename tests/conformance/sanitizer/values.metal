// Values that are not finite where all that they were made of is, and divisions of integers by zero.
#include <metal_stdlib>
using namespace metal;

kernel void square_root(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float root = sqrt(x[i] - 3);  //! square_root: 'sqrt' of finite values gives one that is not finite, and a NaN is stored in out[0] in line @stored_root, by thread 0 of threadgroup 0; 3 times in all
    root = root * 2 + 1;
    out[i] = root;  //@ stored_root
}

kernel void logarithm(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = log(x[i]);  //! logarithm: 'log' of finite values gives one that is not finite, and -inf is stored in out[0], by thread 0
}

kernel void reciprocals(device const float4 *x, device float4 *out, uint i [[thread_position_in_grid]]) {
    out[i] = 1 / x[i];  //! reciprocals: '/' of finite values gives one that is not finite, and inf is stored in out[0]
}

kernel void guarded_division(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    const float reciprocal = 1 / x[i];
    out[i] = x[i] > 0 ? reciprocal : 0;
}

kernel void overflow_of_half(device const half *x, device half *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[i] * x[i];  //! overflow_of_half: '*' of finite values gives one that is not finite, and inf is stored in out[0], by thread 0
}

kernel void conversion_to_half(device const float *x, device half *out, uint i [[thread_position_in_grid]]) {
    out[i] = half(x[i] * 1000);  //! conversion_to_half: conversion of finite values gives one that is not finite, and inf is stored in out[66]
}

kernel void blows_up(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float value = x[i];
    for (uint step = 0; step < 10; ++step)
        value = value * value + 1;  //! blows_up: of finite values gives one that is not finite, and inf is stored in out
    out[i] = value;
}

static float inverse(float value) { return 1 / value; }  //! in_a_helper: '/' of finite values gives one that is not finite, and inf is stored in out[0] in line @used
kernel void in_a_helper(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = inverse(x[i]) - 1;  //@ used
}

// By way of threadgroup memory, and of a simdgroup, from the thread that made it to the one that stores it.
kernel void softmax_without_maximum(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]],
                                    uint group [[threadgroup_position_in_grid]]) {
    threadgroup float sums[64];
    sums[l] = exp(x[i]);  //! softmax_without_maximum: 'exp' of finite values gives one that is not finite, and inf is stored in out[1] in line @stored_sum, by thread 64 of threadgroup 1
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l == 0) {
        float sum = 0;
        for (uint k = 0; k < 64; ++k) sum += sums[k];
        out[group] = sum;  //@ stored_sum
    }
}
kernel void by_way_of_a_simdgroup(device const float *x, device float *out, uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
    const float value = log(x[i] - 5);  //! by_way_of_a_simdgroup: 'log' of finite values gives one that is not finite, and a NaN is stored in out[0]
    const float sum = simd_sum(value);
    if (lane == 31) out[i / 32] = sum;
}

// Not finite on purpose, or not made here.
kernel void infinity_as_a_start(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float least[64];
    float smallest = INFINITY;
    for (uint k = 0; k < 8; ++k) {
        if (x[k] < -1) smallest = min(smallest, x[k]);
    }
    least[l] = smallest;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float masked = l % 2 ? -INFINITY : x[i];
    out[i] = min(least[63 - l], smallest) + exp(masked) * 0 + simd_max(masked) * 0;
}

// One thread's guarded division explains no other thread's infinity.
kernel void infinity_of_another(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    const float reciprocal = 1 / x[i];
    tile[l] = i == 0 ? 0 : reciprocal;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = i == 7 ? INFINITY : tile[63 - l] + simd_max(tile[l]);
}

kernel void inputs_not_finite(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = sqrt(x[i]) * 2 + exp(x[i]);
}

kernel void every_width(device const char *c, device const short *s, device const int *n, device const long *w, device const uint4 *v,
                        device long *out, uint i [[thread_position_in_grid]]) {
    long sum = 100 / c[i];  //! every_width: integer division by zero, which gives no defined value, by thread 0 of threadgroup 0
    sum += s[i] % s[i];  //! every_width: integer remainder by zero
    sum += 1u / uint(n[i]);  //! every_width: integer division by zero
    sum += ulong(7) % ulong(w[i]);  //! every_width: integer remainder by zero
    const uint4 quotients = v[i] / uint4(1, 2, 0, 4);  //! every_width: integer division by zero … by thread 0 of threadgroup 0; 256 times in all
    const uint4 remainders = 9 % v[i];  //! every_width: integer remainder by zero
    sum /= n[i];  //! every_width: integer division by zero
    out[i] = sum + quotients.x + remainders.y;
}

// The one quotient that overflows is not a division by zero, and ends nothing.
kernel void least_integer_by_minus_one(device const int *n, device long *out, uint i [[thread_position_in_grid]]) {
    const int least = -2147483647 - 1, divisor = n[i] < 1000 ? -1 : 1;
    const long wide = (-9223372036854775807L - 1) / long(divisor) + (-9223372036854775807L - 1) % long(divisor);
    out[i] = least / divisor + least % divisor + wide * 0 + (n[i] > 0 ? 100 / n[i] : 0);
}

// Infinities that come from inputs are no fault; a NaN made of them is what nobody means.
kernel void all_masked(device const float *masked, device float *out, uint i [[thread_position_in_grid]]) {
    float largest = -INFINITY;
    for (uint k = 0; k < 4; ++k) largest = max(largest, masked[i / 4 * 4 + k]);
    out[i] = exp(masked[i] - largest);  //! all_masked: '-' of infinities, or of one and zero, gives a NaN, and a NaN is stored in out[4], by thread 4 of threadgroup 0
}
kernel void zero_times_infinity(device const float *masked, device float *out, uint i [[thread_position_in_grid]]) {
    const float weight = float(i % 2);
    out[i] = masked[i] > 0 ? 1.0f : masked[i] * weight;  //! zero_times_infinity: '*' of infinities, or of one and zero, gives a NaN, and a NaN is stored in out[4]
}
kernel void nan_of_an_input(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = (x[i] - 1.0f) * (i % 4 == 1 ? 0.0f : 1.0f);
}
