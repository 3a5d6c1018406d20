// The seed kernels of tasks/qsim in OpenCL C.
static float2 times(float2 a, float2 b) {
    return (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

__kernel void qsim_gate(__global const float2 *in,
                        __global float2 *out,
                        __global const float2 *gates,
                        const uint n,
                        const uint gate,
                        const uint target,
                        const uint control) {
    const uint i = get_global_id(0);
    if (i >= (1u << n)) return;
    if (control != target && ((i >> control) & 1u) == 0) {
        out[i] = in[i];
        return;
    }
    const uint b = (i >> target) & 1u;
    const float2 zero = in[i & ~(1u << target)];
    const float2 one = in[i | (1u << target)];
    out[i] = times(gates[4 * gate + 2 * b], zero) + times(gates[4 * gate + 2 * b + 1], one);
}
