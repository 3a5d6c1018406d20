// The seed kernels of tasks/spmv in OpenCL C.
__kernel void spmv(__global const uint *row_start,
                   __global const uint *column,
                   __global const float *value,
                   __global const float *x,
                   __global float *y,
                   const uint rows) {
    const uint i = get_global_id(0);
    if (i >= rows) return;
    float sum = 0.0f;
    for (uint e = row_start[i]; e < row_start[i + 1]; ++e) {
        sum += value[e] * x[column[e]];
    }
    y[i] = sum;
}
