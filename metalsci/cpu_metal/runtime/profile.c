// What counted kernels call: at the start of every block of code, and at every access to memory.
#include "platform.h"
#include "profiled.h"

enum { SITE_SHIFT = 48, STOP_SHIFT = 16 };
#define ADDRESS_MASK (((u64)1 << SITE_SHIFT) - 1)
#define TOUCHES ((uptr)8192)                // that a thread can remember; a block with more is cut: profiler/instrument.py
#define TOUCHES_SIZE (MAX_GROUP * TOUCHES * sizeof(u64))
#define UNDO_SIZE ((uptr)512 << 20)
enum { UNDO_BYTES = 16, FEWEST_GROUPS = 1 };
// A core's 12 KB, and what a chip may have instead.
static const u32 CODE_CAPACITIES[PROFILE_CODE_CAPACITIES] = {8 << 10, 12 << 10, 24 << 10};

// What a store is going to overwrite.
struct Undo {
    uptr address;
    u32 size;
    u8 before[UNDO_BYTES];
};

struct Lane {
    u32 block;          // that it is in
    u32 stops;          // waits in that block
    u32 entered;        // whether the block is still to be counted
    u32 touched;        // accesses since the last stop
};

static struct {
    struct Profile *profile;
    struct ProfileBlock *blocks;
    struct ProfileSite *sites;
    u64 *touches;                // of each thread
    struct Undo *undo;
    u64 undone;                  // entries of `undo` in use
    struct Lane lanes[MAX_GROUP];
    u32 running[MAX_GROUP / SIMD_WIDTH];  // lanes that were released together last
    struct ProfilePath paths[MAX_GROUP / SIMD_WIDTH];
    u32 newest;                  // block that ran last: index and 1, 0 for none
} state;

static void *reserve(uptr size) {
    char *start = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? 0 : start;
}

static void fail(enum ProfileFailure failure) {
    if (!state.profile->failure) state.profile->failure = failure;
}

// Stops a lane at the start of a block until it is first in the code.
__attribute__((visibility("default"), noinline)) void metal_profile_block(u32 block) {
    struct Worker *worker = this_worker();
    struct Lane *lane = &state.lanes[worker->current];
    stop_lane(worker, (uptr)(block + 1) << STOP_SHIFT);
    lane->block = block;
    lane->stops = 0;
    lane->entered = 1;
}

uptr profile_place(struct Worker *worker) {
    struct Lane *lane = &state.lanes[worker->current];
    return ((uptr)(lane->block + 1) << STOP_SHIFT) + ++lane->stops;
}

__attribute__((visibility("default"))) void metal_profile_touch(uptr address, u32 site) {
    const u32 thread = this_worker()->current;
    struct Lane *lane = &state.lanes[thread];
    if (lane->touched < TOUCHES) state.touches[thread * TOUCHES + lane->touched++] = address | (u64)site << SITE_SHIFT;
}

// As metal_profile_touch, before `size` bytes are overwritten.
__attribute__((visibility("default"))) void metal_profile_change(uptr address, u32 site, u32 size) {
    metal_profile_touch(address, site);
    if (worker_of(address) == this_worker()) return;
    for (u32 done = 0; done < size; done += UNDO_BYTES) {
        if ((state.undone + 1) * sizeof(struct Undo) > UNDO_SIZE) {
            fail(PROFILE_OUT_OF_MEMORY);
            return;
        }
        struct Undo *undo = &state.undo[state.undone++];
        undo->address = address + done;
        undo->size = size - done < UNDO_BYTES ? size - done : UNDO_BYTES;
        for (u32 i = 0; i < undo->size; ++i) undo->before[i] = ((const u8 *)undo->address)[i];
    }
}

static void undo_changes(void) {
    while (state.undone) {
        const struct Undo *undo = &state.undo[--state.undone];
        for (u32 i = 0; i < undo->size; ++i) ((u8 *)undo->address)[i] = undo->before[i];
    }
}

static u32 bits(u32 mask) { return (u32)__builtin_popcount(mask); }

// Whether lanes that ran together have come to different places.
static int apart(const struct Worker *worker, u32 first, u32 mask) {
    const struct Thread *one = &worker->threads[first + (u32)__builtin_ctz(mask)];
    for (u32 rest = mask; rest; rest &= rest - 1) {
        const struct Thread *other = &worker->threads[first + (u32)__builtin_ctz(rest)];
        if (other->state != one->state || (one->state == AT_EXCHANGE && other->site != one->site)) return 1;
    }
    return 0;
}

static void settle_accesses(struct Worker *worker, u32 first, u32 mask, struct ProfilePath *path) {
    const u32 leader = first + (u32)__builtin_ctz(mask);
    const u32 count = state.lanes[leader].touched;
    struct Waits waits = {0, {0}};
    for (u32 index = 0; index < count; ++index) {
        struct Touch touch;
        touch.count = 0;
        for (u32 rest = mask; rest; rest &= rest - 1) {
            const u32 thread = first + (u32)__builtin_ctz(rest);
            touch.addresses[touch.count++] = state.touches[thread * TOUCHES + index] & ADDRESS_MASK;
        }
        touch.site = &state.sites[state.touches[leader * TOUCHES + index] >> SITE_SHIFT];
        if (!memory_touch(worker, state.profile, &touch, &waits)) fail(PROFILE_UNFOLLOWED);
    }
    path->far += bits(waits.all);
    for (u32 i = 0; i < PROFILE_CAPACITIES; ++i) path->misses[i] += bits(waits.misses[i]);
}

static void move_to_front(u32 block) {
    struct ProfileBlock *blocks = state.blocks, *moved = &blocks[block];
    if (state.newest == block + 1) return;
    if (moved->newer) blocks[moved->newer - 1].older = moved->older;
    if (moved->older) blocks[moved->older - 1].newer = moved->newer;
    if (state.newest) blocks[state.newest - 1].newer = block + 1;
    moved->newer = 0;
    moved->older = state.newest;
    state.newest = block + 1;
}

// Counts code that other blocks have pushed out of the cache since the block last ran. All simdgroups of a dispatch share
// it; what runs for the first time is not counted, since one group does that for all.
static void fetch_code(u32 index, struct ProfilePath *path) {
    const struct ProfileBlock *blocks = state.blocks, *block = &blocks[index];
    const u32 most = CODE_CAPACITIES[PROFILE_CODE_CAPACITIES - 1];
    if (block->executions > 1) {
        u32 since = block->code;
        for (u32 at = state.newest; at != index + 1 && since <= most; at = blocks[at - 1].older) since += blocks[at - 1].code;
        for (u32 i = 0; i < PROFILE_CODE_CAPACITIES; ++i) {
            if (since > CODE_CAPACITIES[i]) path->fetched[i] += block->code;
        }
    }
    move_to_front(index);
}

void profile_settle(struct Worker *worker, u32 first) {
    const u32 simdgroup = first / SIMD_WIDTH, mask = state.running[simdgroup];
    struct ProfilePath *path = &state.paths[simdgroup];
    if (!mask) return;
    state.running[simdgroup] = 0;
    const struct Lane *leader = &state.lanes[first + (u32)__builtin_ctz(mask)];
    settle_accesses(worker, first, mask, path);
    if (leader->entered) {
        struct ProfileBlock *block = &state.blocks[leader->block];
        ++block->executions;
        block->lanes += bits(mask);
        state.profile->stops += bits(mask);
        path->chain += block->chain;
        path->near += block->near;
        path->own += block->own;
        fetch_code(leader->block, path);
        if (mask & (mask - 1)) block->divergent += (u32)apart(worker, first, mask);
    }
    for (u32 rest = mask; rest; rest &= rest - 1) {
        struct Lane *lane = &state.lanes[first + (u32)__builtin_ctz(rest)];
        lane->touched = 0;
        lane->entered = 0;
    }
}

void profile_released(u32 first, u32 mask) { state.running[first / SIMD_WIDTH] = mask; }

static void add(struct ProfilePath *to, const struct ProfilePath *path) {
    to->chain += path->chain;
    to->near += path->near;
    to->own += path->own;
    to->far += path->far;
    for (u32 i = 0; i < PROFILE_CAPACITIES; ++i) to->misses[i] += path->misses[i];
    for (u32 i = 0; i < PROFILE_CODE_CAPACITIES; ++i) to->fetched[i] += path->fetched[i];
}

// How long a path roughly takes, in cycles: waits as in devices/virtual/model.py.
static u64 weight(const struct ProfilePath *path) {
    return path->chain + 30 * path->near + 120 * (path->far + path->own) + 180 * path->misses[PROFILE_CAPACITIES - 1] +
           2 * path->fetched[1];
}

void profile_barrier(struct Worker *worker) {
    const struct ProfilePath *slowest = &state.paths[0];
    for (u32 first = 0; first < worker->group.threads; first += SIMD_WIDTH) {
        const u32 simdgroup = first / SIMD_WIDTH;
        profile_settle(worker, first);
        add(&state.profile->total, &state.paths[simdgroup]);
        if (weight(&state.paths[simdgroup]) > weight(slowest)) slowest = &state.paths[simdgroup];
        u32 waiting = 0;
        for (u32 lane = 0; lane < SIMD_WIDTH && first + lane < worker->group.threads; ++lane) {
            if (worker->threads[first + lane].state == AT_BARRIER) waiting |= (u32)1 << lane;
        }
        state.running[simdgroup] = waiting;
        state.profile->barriers += waiting != 0;
    }
    add(&state.profile->critical, slowest);
    for (u32 i = 0; i < MAX_GROUP / SIMD_WIDTH; ++i) state.paths[i] = (struct ProfilePath){0};
}

static void begin_group(struct Worker *worker) {
    u64 *memory = (u64 *)((char *)worker + THREADGROUP_OFFSET);
    for (u32 i = 0; i < THREADGROUP_MEMORY / sizeof *memory; ++i) memory[i] = 0;
    for (u32 i = 0; i < MAX_GROUP; ++i) state.lanes[i] = (struct Lane){0, 0, 0, 0};
    for (u32 i = 0; i < MAX_GROUP / SIMD_WIDTH; ++i) state.running[i] = 0;
    memory_begin_group();
}

void profile_dispatch(struct Worker *worker, struct Profile *profile, struct Status *status) {
    const u32 *units = (const u32 *)((char *)profile + profile->units);
    state.profile = profile;
    state.blocks = (struct ProfileBlock *)((char *)profile + profile->blocks);
    state.sites = (struct ProfileSite *)((char *)profile + profile->sites);
    state.newest = 0;
    if (!state.touches) state.touches = reserve(TOUCHES_SIZE);
    if (!state.undo) state.undo = reserve(UNDO_SIZE);
    if (!state.touches || !state.undo || !memory_begin(worker, profile)) {
        profile->failure = PROFILE_OUT_OF_MEMORY;
        return;
    }
    worker->commands = worker->dispatch = (const struct Dispatch *)profile->dispatch;
    worker->status = status;
    worker->profiled = 1;
    while (profile->groups < profile->unit_count && !profile->failure) {
        if (profile->groups >= FEWEST_GROUPS && profile->stops > profile->budget) break;
        begin_group(worker);
        run_group(worker, units[profile->groups]);
        profile_barrier(worker);
        ++profile->groups;
    }
    worker->profiled = 0;
    worker->dispatch = 0;
    undo_changes();
    memory_end(profile);
}
