// The seed kernels of tasks/saxpy in OpenCL C.
__kernel void saxpy(__global const float *x,
                    __global const float *y,
                    __global float *out,
                    const float a,
                    const uint N) {
    const uint i = get_global_id(0);
    if (i >= N) return;               // the grid may be padded
    out[i] = a * x[i] + y[i];
}
