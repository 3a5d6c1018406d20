// The share of each worker in a dispatch: which units of work it does, in which order.
//
// Shares differ by one unit at most. Each comes in several parts, which lie between those of other workers, so that groups
// that take longer than others and lie next to each other are divided too. Every second round of parts is dealt out from
// the last worker to the first: where the cost of a unit grows along the grid, no worker has the longer part of each round.
#ifndef METAL_SHARE_H
#define METAL_SHARE_H

#include "runtime.h"

enum { ROUNDS = 8 };

struct Part { u32 first, last; };

// The rounds in which units are dealt out: as many as the largest share has units, if that is few.
static inline u32 rounds_of(u32 units, u32 workers) {
    const u32 largest = (units + workers - 1) / workers;
    return workers == 1 ? 1 : largest < ROUNDS ? largest : ROUNDS;
}

// The part of a share of so many units that comes in a round, and what comes before that round.
static inline u32 up_to(u32 share, u32 round, u32 rounds) { return (u32)((u64)share * round / rounds); }

// The units of one worker, counted from 0, in one round. The first `units % workers` workers have a unit more.
static inline struct Part part_of(u32 units, u32 workers, u32 worker, u32 round, u32 rounds) {
    const u32 share = units / workers, larger = units % workers;
    const u32 before = up_to(share, round, rounds), before_larger = up_to(share + 1, round, rounds);
    const u32 size = up_to(share, round + 1, rounds) - before;
    const u32 size_larger = up_to(share + 1, round + 1, rounds) - before_larger;
    // Those that come before this worker in the round: all with a smaller index, or all with a larger one.
    const u32 ahead = round % 2 ? workers - 1 - worker : worker;
    const u32 lower = worker < larger ? worker : larger;
    const u32 ahead_larger = round % 2 ? larger - lower - (worker < larger) : lower;
    const u32 first = larger * before_larger + (workers - larger) * before + ahead_larger * size_larger +
        (ahead - ahead_larger) * size;
    return (struct Part){first, first + (worker < larger ? size_larger : size)};
}

#endif
