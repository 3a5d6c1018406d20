// What the parts of the profiler's runtime share: profile.c is what kernels and the scheduler call, profile_memory.c what an
// access of a simdgroup costs.
#ifndef METAL_PROFILED_H
#define METAL_PROFILED_H

#include "profile.h"

typedef unsigned char u8;

// What lanes of one simdgroup do at one site, their addresses counted from the start of an extent's base.
struct Touch {
    struct ProfileSite *site;
    u32 count;                   // lanes
    uptr addresses[SIMD_WIDTH];  // as the kernel sees them
};

// Waits of a stretch of code, a bit for each level.
struct Waits {
    u32 all, misses[PROFILE_CAPACITIES];
};

// Forgets what caches hold.
void memory_begin_group(void);

// Counts an access. False when its memory belongs to no argument.
int memory_touch(struct Worker *worker, struct Profile *profile, struct Touch *touch, struct Waits *waits);

// Makes and frees the record of lines that were touched. False when there is no memory.
int memory_begin(struct Worker *worker, struct Profile *profile);
void memory_end(struct Profile *profile);

#endif
