// The profiler's half of the runtime: what counted kernels call and what the host reads afterwards.
//
// Chosen threadgroups of one dispatch run on one worker, in lockstep: at every block of code each lane stops, and the lanes
// that are first in the code go on together, as on a GPU. What they do in a block is counted once for all of them.
#ifndef METAL_PROFILE_H
#define METAL_PROFILE_H

#include "worker.h"

enum {
    PROFILE_CAPACITIES = 3,      // of the model cache, in lines: see CAPACITIES in profile_memory.c
    PROFILE_CODE_CAPACITIES = 3, // of the cache of instructions, in bytes: see CODE_CAPACITIES in profile.c
};

// A block of code without branches. Costs are the compiler's, see profiler/block_paths.py.
struct ProfileBlock {
    u32 chain;          // cycles of dependent operations
    u32 near, own;      // waits for threadgroup memory, and for a thread's own arrays
    u32 code;           // bytes
    u32 newer, older;   // blocks that ran after and before it, when each last did: index and 1, 0 for none
    u64 executions;     // by simdgroups
    u64 lanes;          // that took part, added up
    u64 divergent;      // executions after which lanes went apart
};

enum ProfileKind { PROFILE_LOAD, PROFILE_STORE, PROFILE_ATOMIC };

// An access to memory in the code.
struct ProfileSite {
    u32 kind, bytes;    // enum ProfileKind; of one lane
    u32 level;          // waits that must be over before it can start, within its block
    u32 unused;
    u64 issues, lanes, lines, sectors;     // of device and constant memory, by simdgroups
    u64 misses[PROFILE_CAPACITIES];
    u64 near_issues, near_lanes, turns;    // of threadgroup memory; turns of its busiest bank
    u64 own_issues;                        // of a thread's own variables
    u64 collisions;                        // atomic operations: lanes at the most wanted address
};

// Memory that an argument leads to. Addresses are counted from `base`, so that they are the same in every run.
struct ProfileExtent {
    uptr start;
    u64 size, base;
    u64 unique;         // lines that were touched
};

struct ProfilePath {
    u64 chain, near, own;                  // as in struct ProfileBlock, added up
    u64 far;                               // waits for device memory
    u64 misses[PROFILE_CAPACITIES];        // of those, for lines that were not in the cache
    u64 fetched[PROFILE_CODE_CAPACITIES];  // bytes of code that was not in the cache any more
};

enum ProfileFailure { PROFILE_DONE, PROFILE_OUT_OF_MEMORY, PROFILE_UNFOLLOWED };

// Shared with the host.
struct Profile {
    uptr dispatch;                         // struct Dispatch of the counted kernel
    u64 units, blocks, sites, extents;     // where these tables start, in bytes from this
    u64 budget;                            // stops of lanes, after which no further group is begun
    u32 unit_count, block_count, site_count, extent_count;
    u32 failure;                           // enum ProfileFailure
    u32 groups;                            // that ran, of the units the first ones
    u64 stops;                             // of lanes, at blocks
    u64 barriers;                          // of simdgroups
    struct ProfilePath critical;           // of the slowest simdgroup between barriers, added up over groups
    struct ProfilePath total;              // of all simdgroups
};

// Runs the units of `profile` on `worker`, and leaves memory as it was.
void profile_dispatch(struct Worker *worker, struct Profile *profile, struct Status *status);

// Called where no lane of the simdgroup that starts with thread `first` can go on by itself.
void profile_settle(struct Worker *worker, u32 first);

// Called where lanes of that simdgroup, a bit each, have been released together.
void profile_released(u32 first, u32 mask);

// Called where a group's threads have all come to a barrier or ended.
void profile_barrier(struct Worker *worker);

// Where a thread that waits within a block stands in the code.
uptr profile_place(struct Worker *worker);

#endif
