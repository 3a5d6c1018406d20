// Accesses by several threads that nothing puts in order; and those that something does.
#include <metal_stdlib>
using namespace metal;

kernel void no_barrier(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = x[i];  //! no_barrier: data race on tile[32] of threadgroup variable 'tile': thread 32 of threadgroup 0 writes it here, and thread 31 of threadgroup 0 reads it in line @reversed_read, with no threadgroup_barrier(mem_flags::mem_threadgroup) between the two
    out[i] = tile[63 - l];  //@ reversed_read
}

kernel void reversed(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[63 - l];
}

// The write of the next step meets the reads of this one.
kernel void no_second_barrier(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    float sum = 0;
    for (uint step = 0; step < 4; ++step) {
        tile[l] = x[i] * step;  //@ next_write
        threadgroup_barrier(mem_flags::mem_threadgroup);
        sum += tile[63 - l];  //! no_second_barrier: data race on tile … and thread … writes it in line @next_write
    }
    out[i] = sum;
}

// Two tiles in turn need one barrier a step.
kernel void ping_pong(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tiles[2][64];
    float sum = 0;
    for (uint step = 0; step < 5; ++step) {
        tiles[step % 2][l] = x[i] + sum;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        sum = tiles[step % 2][(l + 1) % 64];
    }
    out[i] = sum;
}

kernel void reduction(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]],
                      uint group [[threadgroup_position_in_grid]]) {
    threadgroup float sums[64];
    sums[l] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint half_width = 32; half_width > 0; half_width /= 2) {
        if (l < half_width) sums[l] += sums[l + half_width];
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (l == 0) out[group] = sums[0];
}

// "The last simdgroup runs in step anyway": it does not.
kernel void reduction_without_barriers(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]],
                                       uint i [[thread_position_in_grid]], uint group [[threadgroup_position_in_grid]]) {
    threadgroup float sums[64];
    sums[l] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l < 32) {
        for (uint half_width = 32; half_width > 0; half_width /= 2)
            sums[l] += sums[l + half_width];  //! reduction_without_barriers: data race on sums[1] of threadgroup variable 'sums'
    }
    if (l == 0) out[group] = sums[0];
}

kernel void reduction_in_a_simdgroup(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]],
                                     uint i [[thread_position_in_grid]], uint group [[threadgroup_position_in_grid]]) {
    threadgroup float sums[64];
    sums[l] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l < 32) {
        for (uint half_width = 32; half_width > 0; half_width /= 2) {
            const float sum = sums[l] + (l < half_width ? sums[l + half_width] : 0);
            simdgroup_barrier(mem_flags::mem_threadgroup);
            sums[l] = sum;
            simdgroup_barrier(mem_flags::mem_threadgroup);
        }
    }
    if (l == 0) out[group] = sums[0];
}

// A simdgroup's barrier says nothing to another simdgroup.
kernel void simdgroup_barrier_between_simdgroups(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]],
                                                 uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = x[i];  //! simdgroup_barrier_between_simdgroups: data race on tile[32] … thread 32 of threadgroup 0 writes it here, and thread 0 of threadgroup 0 reads it in line @other_simdgroup
    simdgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[l ^ 1];
    out[i] += tile[l ^ 32];  //@ other_simdgroup
}

kernel void after_a_simdgroup_barrier(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = x[i];
    simdgroup_barrier(mem_flags::mem_threadgroup);
    tile[l] += tile[l ^ 1];  //! after_a_simdgroup_barrier: data race on tile[0] of threadgroup variable 'tile': thread 1 of threadgroup 0 reads it here, and thread 0 of threadgroup 0 writes it here too
    out[i] = tile[l];
}

// What one lane reads for the others has been read when they have it.
kernel void read_for_other_lanes(device float *x, uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
    const float4 four = lane % 4 == 0 ? *(device const float4 *)(x + i) : float4(0);
    const float4 all = simd_broadcast(four, ushort(lane & ~3u)) + simd_shuffle(four, ushort(lane & ~3u));
    x[i] = all[lane % 4];
}

// What it writes for them has not been written.
kernel void written_for_other_lanes(device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = i;
    const float sum = simd_sum(float(i));
    out[i ^ 1] += sum;  //! written_for_other_lanes: data race on out[1] of buffer 0 'out': thread 0 of threadgroup 0 reads it here, and thread 1 of threadgroup 0 writes it in line
}

// Sums of simdgroups by way of threadgroup memory.
kernel void reduction_by_simdgroups(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]],
                                    uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                                    uint group [[threadgroup_position_in_grid]]) {
    threadgroup float sums[2];
    const float sum = simd_sum(x[i]);
    if (lane == 0) sums[simdgroup] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0) {
        const float total = simd_sum(lane < 2 ? sums[lane] : 0);
        if (lane == 0) out[group] = total;
    }
}

kernel void scan(device const uint *x, device uint *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup uint sums[64];
    sums[l] = x[i];
    for (uint distance = 1; distance < 64; distance *= 2) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const uint before = l >= distance ? sums[l - distance] : 0;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        sums[l] += before;
    }
    out[i] = sums[l];
}

kernel void transpose(device const float *x, device float *out, uint2 i [[thread_position_in_grid]], uint2 l [[thread_position_in_threadgroup]],
                      uint2 group [[threadgroup_position_in_grid]]) {
    threadgroup float tile[8][8 + 1];
    tile[l.y][l.x] = x[i.y * 16 + i.x];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[(group.x * 8 + l.y) * 16 + group.y * 8 + l.x] = tile[l.x][l.y];
}

// A tile with a halo, in groups that are partial at the edges.
kernel void stencil(device const float *x, device float *out, uint2 i [[thread_position_in_grid]], uint2 n [[threads_per_grid]],
                    uint2 l [[thread_position_in_threadgroup]], uint2 size [[threads_per_threadgroup]]) {
    threadgroup float tile[10][10];
    tile[l.y + 1][l.x + 1] = x[i.y * n.x + i.x];
    if (l.x == 0) tile[l.y + 1][0] = i.x > 0 ? x[i.y * n.x + i.x - 1] : 0;
    if (l.x == size.x - 1) tile[l.y + 1][l.x + 2] = i.x + 1 < n.x ? x[i.y * n.x + i.x + 1] : 0;
    if (l.y == 0) tile[0][l.x + 1] = i.y > 0 ? x[(i.y - 1) * n.x + i.x] : 0;
    if (l.y == size.y - 1) tile[l.y + 2][l.x + 1] = i.y + 1 < n.y ? x[(i.y + 1) * n.x + i.x] : 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i.y * n.x + i.x] = tile[l.y + 1][l.x] + tile[l.y + 1][l.x + 2] + tile[l.y][l.x + 1] + tile[l.y + 2][l.x + 1];
}

// A two-dimensional index that forgets the third dimension of the group.
kernel void layers_share_a_tile(device const float *x, device float *out, uint3 i [[thread_position_in_grid]], uint3 l [[thread_position_in_threadgroup]]) {
    threadgroup float tile[4][4];
    const uint at = (i.z * 8 + i.y) * 8 + i.x;
    tile[l.y][l.x] = x[at];  //! layers_share_a_tile: data race on tile[0][0] of threadgroup variable 'tile': thread (0, 0, 1) of threadgroup (0, 0, 0) writes it here, and thread (0, 0, 0) of threadgroup (0, 0, 0) writes it here too
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[at] = tile[l.y][3 - l.x];
}

// What a barrier orders is what its flags say.
kernel void barrier_for_other_memory(device float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = l;
    out[i] = l;
    threadgroup_barrier(mem_flags::mem_device);
    const float other = out[i ^ 1];
    x[i] = other + tile[l ^ 1];  //! barrier_for_other_memory: data race on tile … the barrier between the two does not order this memory: it needs mem_flags::mem_threadgroup
    threadgroup_barrier(mem_flags::mem_threadgroup);
    tile[l] = out[i];
    out[i + 256] = x[i ^ 1];  //! barrier_for_other_memory: data race on x[1] of buffer 0 'x' … it needs mem_flags::mem_device
}

kernel void barrier_for_nothing(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = l;
    threadgroup_barrier(mem_flags::mem_none);
    out[i] = tile[l ^ 1];  //! barrier_for_nothing: data race on tile … it needs mem_flags::mem_threadgroup
}

kernel void barriers_for_both(device float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = x[i];
    out[i] = x[i];
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    const float sum = tile[l ^ 1] + out[i ^ 1];
    threadgroup_barrier(mem_flags(3));
    tile[l] = sum;
    x[i] = tile[l];
}

// In place, a stencil reads what its neighbour has perhaps written; and at the edge of a group no barrier helps.
kernel void stencil_in_place(device float *x, uint i [[thread_position_in_grid]]) {
    if (i > 0 && i < 255) x[i] = x[i - 1] + x[i + 1];  //! stencil_in_place: data race on x[1] of buffer 0 'x' … with no threadgroup_barrier(mem_flags::mem_device) between the two | stencil_in_place: data race on x[63] of buffer 0 'x': thread 64 of threadgroup 1 reads it here, and thread 63 of threadgroup 0 writes it here too; threadgroups of a dispatch run at the same time
}

kernel void in_place(device float *x, uint i [[thread_position_in_grid]]) {
    x[i] = x[i] * 2 + 1;
    x[i] += 1;
}

kernel void histogram_without_atomics(device uint *counts, uint i [[thread_position_in_grid]]) {
    counts[i % 4]++;  //! histogram_without_atomics: data race on counts[0] … between the two | histogram_without_atomics: data race on counts[0] … so only a further dispatch
}

kernel void histogram(device const uint *x, device atomic_uint *counts, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup atomic_uint local[16];
    if (l < 16) atomic_store_explicit(&local[l], 0u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    atomic_fetch_add_explicit(&local[x[i] % 16], 1u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (l < 16) atomic_fetch_add_explicit(&counts[l], atomic_load_explicit(&local[l], memory_order_relaxed), memory_order_relaxed);
}

// Atomic for all but one.
kernel void half_atomic(device uint *count, uint i [[thread_position_in_grid]]) {
    if (i == 0) count[0] = 7;  //@ plain_write
    atomic_fetch_add_explicit((device atomic_uint *)count, 1u, memory_order_relaxed);  //! half_atomic: data race on count[0] of buffer 0 'count': thread 1 of threadgroup 0 changes it atomically here, and thread 0 of threadgroup 0 writes it in line @plain_write
}

kernel void maximum_by_exchange(device const float *x, device atomic_uint *largest, device atomic_float *sum, uint i [[thread_position_in_grid]]) {
    uint seen = atomic_load_explicit(largest, memory_order_relaxed);
    while (x[i] > as_type<float>(seen) &&
           !atomic_compare_exchange_weak_explicit(largest, &seen, as_type<uint>(x[i]), memory_order_relaxed, memory_order_relaxed)) {}
    atomic_fetch_add_explicit(sum, x[i], memory_order_relaxed);
}

// Several threads may write the same to one place.
kernel void same_value(device const float *x, device uint *found, uint i [[thread_position_in_grid]]) {
    if (x[i] > 100) found[0] = 1;
}

// Nor does who reads there meet any trouble.
kernel void value_left_as_it_is(device uint *x, uint i [[thread_position_in_grid]]) {
    const uint neighbour = x[i ^ 1];
    x[i] = neighbour > 1000 ? neighbour : x[i];
}

kernel void different_values(device const float *x, device uint *found, uint i [[thread_position_in_grid]]) {
    if (x[i] > 250) found[0] = i;  //! different_values: data race on found[0] of buffer 1 'found': thread 252 of threadgroup 3 writes it here, and thread 251 of threadgroup 3 writes it here too
}

// Elements of one vector, bytes of one word: each is a place of its own.
kernel void neighbours(device float4 *out, device uchar *bytes, device half2 *halves, device packed_float3 *packed,
                       uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup uchar4 tile[16];
    threadgroup bool flags[64];
    tile[l / 4][l % 4] = l;
    flags[l] = l % 2;
    out[i / 4][i % 4] = tile[l / 4][l % 4] + (flags[l] ? 1 : 0);
    out[i / 4][i % 4] *= 2;
    bytes[i] = l;
    if (i % 2) halves[i / 2].y = i;
    else halves[i / 2].x = halves[i / 2].x + 1;
    if (i < 64) packed[i] = packed_float3(i);
}

kernel void neighbour_of_an_element(device const float *x, device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float4 tile[16];
    tile[l / 4][l % 4] = x[i];  //! neighbour_of_an_element: data race on byte 4 of tile[0] of threadgroup variable 'tile': thread 1 … and thread 0
    out[i] = tile[l / 4][(l + 1) % 4];
}

// One buffer under two names.
kernel void two_names(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = x[i ^ 1] + 1;  //! two_names: data race on x[0] of buffer 0 'x': thread 1 of threadgroup 0 reads it here, and thread 0 of threadgroup 0 writes | two_names: data race on y[1] of buffer 1 'y': thread 1 of threadgroup 0 writes
}

kernel void two_names_own_element(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    y[i] = x[i] + 1;
}

// The next dispatch of a command buffer may read all that this one has written.
kernel void steps(device float *x, device float *y, uint i [[thread_position_in_grid]], uint n [[threads_per_grid]]) {
    y[(i + 1) % n] = x[i] + 1;
}

static float exchanged(threadgroup float *tile, float value, uint l) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    tile[l] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return tile[l ^ 1];
}
kernel void barriers_in_a_helper(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    out[i] = exchanged(tile, exchanged(tile, l, l), l);
}

static float exchanged_too_soon(threadgroup float (&tile)[64], float value, uint l) {
    tile[l] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return tile[l ^ 1];  //! one_barrier_in_a_helper: data race on tile
}
kernel void one_barrier_in_a_helper(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    out[i] = exchanged_too_soon(tile, exchanged_too_soon(tile, l, l), l);
}

// A helper has threadgroup variables of its own, and a block of a kernel too.
static float mirrored(float value, uint l) {
    threadgroup float tile[64];
    tile[l] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return tile[63 - l];
}
kernel void variables_anywhere(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    float value = mirrored(l, l);
    {
        threadgroup float tile[64];
        tile[l] = value;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        value += tile[l ^ 1];
    }
    out[i] = value;
}

// Each instance of a template has its own, whatever its name.
template <typename T> static T turned(T value, uint l) {
    threadgroup T tile[sizeof(T) * 16];
    if (l < sizeof(T) * 16) tile[l] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return tile[sizeof(T) * 16 - 1 - l % (sizeof(T) * 16)];
}
kernel void variables_of_templates(device float *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup float tile[64];
    tile[l] = turned<half>(l, l) * 1000 + turned<float>(l, l) + turned<ushort>(l, l);
    out[i] = tile[l];
}

template <typename T, uint N> struct Tile {
    threadgroup T *data;
    void put(uint k, T value) { data[k % N] = value; }  //! methods_without_barrier: data race on tile[1] of threadgroup variable 'tile': thread 1 of threadgroup 0 writes it here, and thread 0 of threadgroup 0 reads it in line @tile_get
    T get(uint k) const { return data[k % N]; }  //@ tile_get
};
template <typename T> static T through_a_tile(threadgroup T *data, T value, uint l, bool separated) {
    Tile<T, 64> tile{data};
    tile.put(l, value);
    if (separated) threadgroup_barrier(mem_flags::mem_threadgroup);
    return tile.get(l + 1);
}
kernel void methods_without_barrier(device half *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup half tile[64];
    out[i] = through_a_tile<half>(tile, l, l, false);
}
kernel void methods(device half *out, uint l [[thread_index_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    threadgroup half tile[64];
    out[i] = through_a_tile<half>(tile, l, l, true);
}
