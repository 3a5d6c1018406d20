// Memory that nobody has written: threadgroup memory always starts so, a buffer where the host has not filled it.
#include <metal_stdlib>
using namespace metal;

kernel void last_element_missing(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    if (l < 63) tile[l] = l;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[l];  //! last_element_missing: read of tile[63] of threadgroup variable 'tile', which nobody has written (threadgroup memory starts undefined), by thread 63 of threadgroup 0; 4 times in all
}

// Each group starts anew: what the group before has left is not there.
kernel void left_by_another_group(device float *out, uint l [[thread_index_in_threadgroup]], uint group [[threadgroup_position_in_grid]],
                                  uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    if (group == 0) tile[l] = l;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[l];  //! left_by_another_group: read of tile[0] … by thread 64 of threadgroup 1; 192 times in all
}

// A group of the size that the author had in mind would have filled it.
kernel void partial_group(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = l;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[63 - l];  //! partial_group: read of tile[63] of threadgroup variable 'tile' … by thread 64 of threadgroup 1; 28 times in all
}

kernel void argument_not_filled(device float *out, threadgroup float *scratch, uint l [[thread_index_in_threadgroup]],
                                uint i [[thread_position_in_grid]]) {
    out[i] = scratch[l];  //! argument_not_filled: read of scratch[0] of threadgroup argument 0 'scratch', which nobody has written
}

kernel void counter_not_set(device atomic_uint *total, uint l [[thread_index_in_threadgroup]]) {
    threadgroup atomic_uint count;
    atomic_fetch_add_explicit(&count, 1u, memory_order_relaxed);  //! counter_not_set: atomic operation on count of threadgroup variable 'count', which nobody has written
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l == 0) atomic_fetch_add_explicit(total, atomic_load_explicit(&count, memory_order_relaxed), memory_order_relaxed);
}

kernel void accumulates_into_an_output(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] += x[i];  //! accumulates_into_an_output: read of out[0] of buffer 1 'out', which nobody has written (a buffer that the host has not filled starts undefined), by thread 0 of threadgroup 0; 256 times in all
}

kernel void counts_into_an_output(device atomic_uint *out, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(&out[i % 4], 1u, memory_order_relaxed);  //! counts_into_an_output: atomic operation on out[0] of buffer 0 'out', which nobody has written
}

kernel void one_element_of_a_vector(device float4 *out, uint i [[thread_position_in_grid]]) {
    out[i].xz = float2(1, 2);
    out[i].y = 3;
    out[i].x += out[i].w;  //! one_element_of_a_vector: read of byte 12 of out[0] of buffer 0 'out', which nobody has written
}

// What has been written may be read, element by element; and a struct's padding is nobody's.
struct Particle {
    float3 position;
    half mass;
    bool alive;
    void kill() threadgroup { alive = false; }
};
static void launch(threadgroup Particle &p, float3 position) {
    p.position = position;
    p.mass = 1;
    p.alive = true;
}
kernel void elements_and_members(device float *out, device packed_float3 *packed, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float4 vectors[64];
    threadgroup float3 triples[64];
    threadgroup Particle particles[64];
    threadgroup packed_short4 shorts[64];
    threadgroup float2x2 matrix;
    vectors[l].x = l;
    vectors[l].zw = float2(1, 2);
    triples[l] = float3(l);
    launch(particles[l], triples[l].zyx);
    shorts[l] = short4(1, 2, 3, 4);
    if (l < 2) matrix[l] = float2(l, 1);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    Particle copy = particles[63 - l];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    particles[l].kill();
    out[i] = vectors[63 - l].x + vectors[63 - l].wz.y + triples[63 - l].y + copy.position.z + copy.mass + (copy.alive ? 1 : 0);
    out[i] += shorts[63 - l][2] + matrix[1][l % 2];
    packed[i] = packed_float3(triples[63 - l]);
    out[i] += packed[i][2];
}

kernel void element_missing(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float3 triples[64];
    triples[l].xz = 1;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = triples[63 - l].x + triples[63 - l].z;
    out[i] = dot(triples[63 - l], 1.0f);  //! element_missing: read of byte 4 of triples[63] of threadgroup variable 'triples', which nobody has written
}

kernel void member_missing(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup Particle particles[64];
    particles[l].position = 1;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = particles[l].mass;  //! member_missing: of threadgroup variable 'particles', which nobody has written
}

// A buffer that `device.empty` gave and that the host, or an earlier dispatch, has written.
kernel void reads_what_the_host_wrote(device float *out, uint i [[thread_position_in_grid]]) { out[i] += 1; }
kernel void writes_and_reads(device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = i;
    out[i] += 1;
}

kernel void zeroed_counters(device atomic_uint *counts, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup atomic_uint total;
    if (l == 0) atomic_store_explicit(&total, 0u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    atomic_fetch_add_explicit(&total, l, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l == 0) atomic_fetch_add_explicit(counts, atomic_load_explicit(&total, memory_order_relaxed), memory_order_relaxed);
}

kernel void read_in_several_lines(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    out[i] = tile[l];  //! read_in_several_lines: read of tile[0] of threadgroup variable 'tile', which nobody has written … 512 times in all, also in line @again
    out[i] += tile[63 - l];  //@ again
}

// What is read and not used is no fault.
kernel void read_and_not_used(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[66];
    tile[l + 1] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float left = tile[l], right = tile[l + 2];
    out[i] = (l > 0 ? left : 0.0f) + (l < 63 ? right : 0.0f);
}
kernel void used_at_one_place(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[66];
    tile[l + 1] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float left = tile[l];
    const float right = tile[l + 2];  //! used_at_one_place: read of tile[65] of threadgroup variable 'tile', which nobody has written
    out[i] = (l > 0 ? left : 0.0f) + right;
}
kernel void decides_where_to_write(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup uint place[65];
    place[l] = i;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[min(place[l + 1], i)] = 1.0f;  //! decides_where_to_write: read of place[64]
}

// Variables of a thread's own.
kernel void variable_not_set(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float sum;  //! variable_not_set: results depend on the variable declared here before it has a value, in thread 0
    for (uint k = 0; k < 4; ++k) sum += x[(i + k) % 256];
    out[i] = sum;
}
kernel void set_in_one_branch(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float value;  //! set_in_one_branch: results depend on the variable declared here
    if (x[i] > 100) value = 1;
    out[i] = value;
}
kernel void array_not_set(device const int *x, device int *out, uint i [[thread_position_in_grid]]) {
    int counts[8];  //! array_not_set: results depend on the variable declared here
    for (int k = 0; k < 7; ++k) counts[k] = 0;
    counts[x[i] % 8] += 1;
    out[i] = counts[i % 8];
}
kernel void choice_not_set(device float *out, uint i [[thread_position_in_grid]]) {
    bool found;  //! choice_not_set: results depend on the variable declared here
    if (i > 3) found = true;
    out[i] = found ? 1.0f : 2.0f;
}
kernel void set_before_it_is_used(device const float *x, device float4 *out, uint i [[thread_position_in_grid]]) {
    float value, ring[8], unused;
    float4 part;
    Particle particle;
    if (i % 2) value = x[i];
    else value = 1;
    for (uint k = 0; k < 8; ++k) ring[(i + k) % 8] = x[k];
    for (int k = 0; k < 4; ++k) part[k] = ring[k + i % 4] * value;
    particle.position = part.xyz;
    if (i > 1000) value += unused;
    out[i] = part + float4(particle.position, value);
}

// A number that no random value is: comparisons of what is undefined say the contrary.
kernel void waits_for_a_float(device float *out, uint i [[thread_position_in_grid]]) {
    const float old = out[i];  //! waits_for_a_float: read of out[0]
    out[i] = old == 12.5f ? 1.0f : 0.0f;
}
kernel void waits_for_a_difference(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float seen[64];
    if (seen[l] - float(i) == 0.5f) {  //! waits_for_a_difference: read of seen[0]
        out[i] = 7;
        return;
    }
    out[i] = x[i];
}
kernel void waits_for_a_range(device half *out, uint i [[thread_position_in_grid]]) {
    const float old = float(out[i]) * 2;  //! waits_for_a_range: read of out[0]
    out[i] = old > 12.4f && old < 12.401f ? 1.0h : 0.0h;
}
kernel void waits_for_a_number(device const int *x, device int *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup int seen[64];
    if (seen[l] == 1234567) out[i] = 7;  //! waits_for_a_number: read of seen[0]
    else out[i] = x[i];
}
kernel void waits_for_a_vector(device float4 *out, uint i [[thread_position_in_grid]]) {
    const float4 old = out[i];  //! waits_for_a_vector: read of
    out[i] = any(old == float4(12.5f)) ? float4(1) : float4(0);
}
kernel void waits_in_a_variable(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float old;  //! waits_in_a_variable: results depend on the variable declared here
    if (x[i] > 1000) old = 12.5f;
    out[i] = old == 12.5f ? 1.0f : x[i];
}
kernel void waits_for_a_lane(device const float *x, device float *out, uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
    float next = 0;
    if (lane % 16 > 0) next = simd_shuffle_up(x[i], 1);  //! waits_for_a_lane: results depend on a value that thread 1
    out[i] = next == 12345.5f ? 0.0f : x[i];
}
// All comparisons at once would undo each other here, and one alone says nothing there.
kernel void waits_for_one_of_two(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float first, second;  //! waits_for_one_of_two: results depend on the variable declared here
    if (x[i] > 1000) first = second = 12.5f;
    out[i] = (first == 12.5f) != (second == 12.5f) ? 1.0f : x[i];
}
kernel void waits_for_both(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float first, second;  //! waits_for_both: results depend on the variable declared here
    if (x[i] > 1000) first = second = 12.5f;
    out[i] = first == 12.5f && second == 13.5f ? 1.0f : x[i];
}
kernel void compared_and_not_used(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[66];
    threadgroup int marks[66];
    tile[l + 1] = x[i];
    marks[l + 1] = 1;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float left = tile[l], right = tile[l + 2];
    const bool more = right > left, marked = marks[l] == 1;
    if (l == 0) left = 0;
    if (l == 63) right = 0;
    out[i] = left == right ? 1.0f : (left < right ? 2.0f : 3.0f);
    if (l > 0 && l < 63) out[i] += (more ? 0.5f : 0.25f) + (marked ? 0.5f : 0.25f);
}

// Members of a struct.
kernel void member_not_set(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    Particle particle;  //! member_not_set: results depend on the variable declared here
    particle.position = float3(x[i]);
    out[i] = particle.position.x + particle.mass;
}
struct Cell { float weights[3]; Particle inside; uchar kind; };
kernel void member_of_a_member_not_set(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    Cell cells[2];  //! member_of_a_member_not_set: results depend on the variable declared here
    for (int k = 0; k < 2; ++k) cells[k].inside.mass = x[i];
    out[i] = cells[i % 2].inside.mass + cells[0].weights[i % 3];
}
kernel void members_set(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    Cell cell;
    cell.inside.position = float3(x[i]);
    cell.inside.mass = 1;
    cell.kind = 2;
    const Cell copy = cell;
    out[i] = copy.inside.position.x + copy.inside.mass + float(copy.kind);
}
