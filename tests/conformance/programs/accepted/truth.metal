// Vectors of truth values.
#include <metal_stdlib>
using namespace metal;

// gives 2 4 4 4
kernel void sizes(device float *out) { out[0] = sizeof(bool2); out[1] = sizeof(bool3); out[2] = sizeof(bool4); out[3] = alignof(bool3); }

// gives 1 0 1 0
kernel void constructor(device float *out) { bool4 b = bool4(true, false, true, false); for (int i = 0; i < 4; ++i) out[i] = b[i]; }

// gives 0 1
kernel void components(device float *out) { bool4 b = bool4(true, false, true, false); bool2 c = b.yz; out[0] = c.x; out[1] = c.y; }

// gives 0 1 1 1
kernel void components_assigned(device float *out) {
    bool4 b = bool4(true, false, false, true);
    b.xy = b.yx;
    b.z = true;
    for (int i = 0; i < 4; ++i) out[i] = b[i];
}

// gives 1 0 1
kernel void logic(device float *out) {
    bool2 a = bool2(true, false), b = bool2(true, true);
    out[0] = (a && b).x; out[1] = (a && b).y; out[2] = (!a || a).y;
}

// A comparison and a vector, in either order.
// gives 1 0 0 1
kernel void logic_with_comparisons(device float *out) {
    bool4 valid = uint4(0, 1, 2, 3) < uint4(2);
    bool4 mask = (float4(1, 5, 1, 5) < 2.0f) && valid;
    bool4 other = mask || (int4(0, 0, 0, 1) == 1);
    for (int i = 0; i < 4; ++i) out[i] = other[i];
}

// gives 1 1 0
kernel void any_and_all(device float *out) { bool3 b = bool3(true, false, true); out[0] = any(b); out[1] = all(b.xz); out[2] = all(b); }

// gives 2 1
kernel void select_by_vector(device float *out) { float2 v = select(float2(1), float2(2), bool2(true, false)); out[0] = v.x; out[1] = v.y; }

// gives 1 0
kernel void numbers_of_truth(device float *out) { float2 v = float2(bool2(true, false)); out[0] = v.x; out[1] = v.y; }

// gives 0 1
kernel void truth_of_numbers(device float *out) { bool2 b = bool2(int2(0, 5)); out[0] = b.x; out[1] = b.y; }

// gives 0 1 1 0
kernel void bitwise(device float *out) {
    bool2 a = bool2(true, false), b = bool2(true, true);
    out[0] = (a ^ b).x; out[1] = (a ^ b).y; out[2] = (a | b).y; out[3] = (a & b).y;
}

// gives 1 0
kernel void equality(device float *out) { bool2 e = bool2(true, false) == bool2(true, true); out[0] = e.x; out[1] = e.y; }

// gives 1
kernel void in_threadgroup_memory(device float *out) { threadgroup bool4 t[2]; t[1] = bool4(true); out[0] = t[1].w; }
