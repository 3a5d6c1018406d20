// The sanitizer's half of the runtime: what instrumented kernels call and what the host reads afterwards.
//
// A checked command buffer runs on one worker, group after group, in the order that the host gives.
#ifndef METAL_CHECK_H
#define METAL_CHECK_H

#include "worker.h"

enum { MAX_FINDINGS = 64, THREADGROUP_REGION = 0xffffffff };
// Threadgroup memory of checked kernels has gaps between variables, and so more of it.
#define CHECKED_THREADGROUP_MEMORY ((uptr)256 << 10)

// Memory of the host that arguments lie in, and its shadow.
struct Region {
    u64 size;          // bytes
    u32 granule;       // log2 of the bytes that one cell of the shadow stands for
    u32 initialised;   // whether every byte counts as written before the first dispatch
    uptr written;      // a byte for each byte, or 0; the runtime's own
    uptr cells;        // the runtime's own
};

enum ExtentFlag { EXTENT_WRITABLE = 1, EXTENT_THREADGROUP = 2 };

// What may be reached through one argument of a dispatch, or one variable in threadgroup memory.
struct Extent {
    uptr start;        // address, or place in threadgroup memory
    u64 size;          // bytes
    u64 origin;        // of the first of them, in its region
    u32 dispatch;      // in whose arguments it is; extents are sorted by that
    u32 region;        // THREADGROUP_REGION in threadgroup memory
    u32 flags;
    u32 before;        // bytes of the same buffer that lie before the start, and may be reached by negative indices
};

enum FindingKind {
    CHECK_OUT_OF_BOUNDS = 1,
    CHECK_READ_ONLY,
    CHECK_WILD,
    CHECK_INDEX,
    CHECK_UNINITIALISED,
    CHECK_RACE,
    CHECK_RETURNED,
    CHECK_MISALIGNED,
    CHECK_NON_FINITE,
    CHECK_DIVISION,
    CHECK_UNWATCHED,           // no memory for the shadow of a buffer
    CHECK_INACTIVE,            // a value of a lane that is not active
    CHECK_UNSET,               // a variable of a thread's own that has no value yet
};

enum FindingFlag {
    FOUND_WRITE = 1,           // the access at `site` writes
    FOUND_OTHER_WRITE = 2,
    FOUND_ATOMIC = 4,
    FOUND_OTHER_ATOMIC = 8,
    FOUND_BARRIER = 16,        // threads waited for one another between the two, but for other memory
    FOUND_GROUPS = 32,         // the threads are of two threadgroups
    FOUND_STACK = 64,          // the pointer leads into another thread's own variables
    FOUND_OF_INFINITIES = 256, // CHECK_NON_FINITE: the values at `site` were infinities, not finite
    FOUND_APART = 128,         // CHECK_RETURNED: no thread has returned, but the other one waits at another barrier
};

enum FoundValue { VALUE_INFINITY, VALUE_NEGATIVE_INFINITY, VALUE_NAN };

// The first of `count` findings of one kind at one place (or two) in the source.
struct CheckFinding {
    u32 kind, flags;
    u32 site, other_site;      // CHECK_RETURNED: line of the barrier, and of the other one or the column
    u32 count, dispatch, extent, size;
    u32 thread, other_thread;  // index in its threadgroup
    u32 group, other_group;    // index in the grid
    long long offset;          // bytes from the extent's start; CHECK_INDEX: the index; CHECK_INACTIVE: the lane
    u64 value;                 // CHECK_MISALIGNED: the alignment wanted; CHECK_NON_FINITE: enum FoundValue
};
// Findings of CHECK_UNINITIALISED without FOUND_ATOMIC, CHECK_INACTIVE and CHECK_UNSET matter only where results depend on what
// was read. The host runs the commands again with something else there, at one site or, for EVERY_SITE, at all of them.
// Random values never meet a number that the kernel compares them with, so another run has marks in their place.
#define EVERY_SITE 0xffffffff

// Shared with the host.
struct Check {
    uptr commands;
    u64 regions, extents;      // where those tables start, in bytes from this
    u64 groups;                // where the list of groups starts: those of the first dispatch, then the next one's
    u64 group_counts;          // where their numbers are, one a dispatch
    u32 count, region_count, extent_count;
    u32 found;                 // entries of `findings` in use
    u32 lost;                  // findings for which there was no entry
    u32 disturbed;             // the site at which undefined values are other ones this time, or EVERY_SITE; 0 for none
    u32 marked;                // whether those are marks, of which comparisons say the contrary, and not random
    u32 unused;                // so that what follows lies at a multiple of 8 bytes
    struct CheckFinding findings[MAX_FINDINGS];
};

// Runs the command buffer of `check` on `worker`.
void check_commands(struct Worker *worker, struct Check *check, struct Status *status);

// Called where a thread comes to a barrier in `line` and others wait at another one. Ends the group.
void check_divergence(struct Worker *worker, u32 line) __attribute__((noreturn));

// Called where a group's threads have all come to a barrier, with what it orders, and those of a simdgroup.
void check_barrier(struct Worker *worker, u32 flags);
void check_simdgroup_barrier(struct Worker *worker, u32 flags);

#endif
