// The seed kernels of tasks/nbody in OpenCL C.
__kernel void nbody_step(__global const float4 *pos_in,
                         __global float4 *pos_out,
                         __global const float4 *vel_in,
                         __global float4 *vel_out,
                         __global const float *mass,
                         const uint N,
                         const float dt,
                         const float eps,
                         const float G) {
    const uint i = get_global_id(0);
    if (i >= N) return;
    const float3 here = pos_in[i].xyz;
    float3 a = (float3)(0.0f);
    for (uint j = 0; j < N; ++j) {
        const float3 d = pos_in[j].xyz - here;
        const float r2 = dot(d, d) + eps * eps;
        a += mass[j] * d / (r2 * sqrt(r2));
    }
    const float3 v = vel_in[i].xyz + G * a * dt;
    vel_out[i] = (float4)(v, 0.0f);
    pos_out[i] = (float4)(here + v * dt, 0.0f);
}
