// The seed kernels of tasks/fft3d in OpenCL C.
enum { MAX_N = 1024 };

// The element at place i of the line's transform, given the line's element at place i.
static float2 transform(float2 value, __local float2 *line, uint i, uint N) {
    uint reversed = 0;
    for (uint bit = 1, top = N >> 1; bit < N; bit <<= 1, top >>= 1) {
        if (i & bit) reversed |= top;
    }
    line[reversed] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_length = 1; half_length < N; half_length <<= 1) {
        if (i < N / 2) {
            const uint k = i & (half_length - 1);
            const uint a = 2 * (i - k) + k;
            const uint b = a + half_length;
            const float angle = -M_PI_F * (float)(k) / (float)(half_length);
            const float2 w = (float2)(cos(angle), sin(angle));
            const float2 odd = (float2)(w.x * line[b].x - w.y * line[b].y, w.x * line[b].y + w.y * line[b].x);
            const float2 even = line[a];
            line[a] = even + odd;
            line[b] = even - odd;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return line[i];
}

__kernel void fft3d_x(__global const float2 *in_data,
                      __global float2 *out_data,
                      const uint N) {
    const uint3 gid = (uint3)(get_global_id(0), get_global_id(1), get_global_id(2));
    __local float2 line[MAX_N];
    const uint i = gid.x;
    const uint k = gid.y / N;
    const uint j = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data[c], line, i, N);
}

__kernel void fft3d_y(__global const float2 *in_data,
                      __global float2 *out_data,
                      const uint N) {
    const uint3 gid = (uint3)(get_global_id(0), get_global_id(1), get_global_id(2));
    __local float2 line[MAX_N];
    const uint j = gid.x;
    const uint k = gid.y / N;
    const uint i = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data[c], line, j, N);
}

__kernel void fft3d_z(__global const float2 *in_data,
                      __global float2 *out_data,
                      const uint N) {
    const uint3 gid = (uint3)(get_global_id(0), get_global_id(1), get_global_id(2));
    __local float2 line[MAX_N];
    const uint k = gid.x;
    const uint j = gid.y / N;
    const uint i = gid.y % N;
    const uint c = (k * N + j) * N + i;
    out_data[c] = transform(in_data[c], line, k, N);
}
