// What dispatches have taken, so that those that take less than it takes to share them are left to one worker.
//
// A dispatch goes over to another core and back in 0.4 us, and what it has written follows line by line: with two workers
// what one does in a microsecond is done no sooner. (Measured while it is shared it takes a fifth more.) Of all dispatches of one kernel on one grid some are measured, by the
// first worker alone. Where data decide what a thread does, a wrong guess lasts for SELDOM dispatches.
#ifndef METAL_COST_H
#define METAL_COST_H

#include "platform.h"
#include "runtime.h"

enum { COSTS = 1024, SELDOM = 16, NOT_SHARED = 1250 /* nanoseconds */ };

struct Costs {
    u64 last[COSTS];        // by kernel and grid: its key << 32 | nanoseconds of all workers together, when last measured
    u32 dispatches[COSTS];  // since then
};

static inline u32 cost_key(const struct Dispatch *dispatch) {
    u64 key = (u64)dispatch->run * 0x9e3779b97f4a7c15ull ^ dispatch->tile;
    for (int axis = 0; axis < 3; ++axis) {
        key = (key ^ dispatch->grid[axis] ^ (u64)dispatch->group[axis] << 32) * 0x9e3779b97f4a7c15ull;
    }
    return (u32)(key >> 32) | 1;
}

// The workers that are to have a share of a dispatch.
static inline u32 workers_for(const struct Costs *costs, const struct Dispatch *dispatch) {
    if (dispatch->workers == 1) return 1;
    const u32 key = cost_key(dispatch);
    const u64 last = __atomic_load_n(&costs->last[key / 2 % COSTS], __ATOMIC_RELAXED);
    return last >> 32 == key && (u32)last < NOT_SHARED ? 1 : dispatch->workers;
}

// When the first worker begins its share: the time if it is to be measured, else 0.
static inline u64 begin_share(struct Costs *costs, const struct Dispatch *dispatch) {
    if (dispatch->workers == 1) return 0;
    const u32 key = cost_key(dispatch), place = key / 2 % COSTS;
    const int is_known = __atomic_load_n(&costs->last[place], __ATOMIC_RELAXED) >> 32 == key;
    if (is_known && ++costs->dispatches[place] < SELDOM) return 0;
    costs->dispatches[place] = 0;
    return nanoseconds();
}

static inline void end_share(struct Costs *costs, const struct Dispatch *dispatch, u64 begin, u32 workers) {
    if (!begin) return;
    const u64 taken = (nanoseconds() - begin) * workers;
    const u32 key = cost_key(dispatch);
    const u64 bounded = taken < 0xffffffff ? taken : 0xffffffff;
    __atomic_store_n(&costs->last[key / 2 % COSTS], (u64)key << 32 | bounded, __ATOMIC_RELAXED);
}

#endif
