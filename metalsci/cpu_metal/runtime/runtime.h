// The native half of the device: what the host writes and what a kernel's wrapper is called with.
//
// Freestanding C11: no header of any C library is read, so that the runtime builds with nothing but Clang.
#ifndef METAL_RUNTIME_H
#define METAL_RUNTIME_H

typedef signed int i32;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __UINTPTR_TYPE__ uptr;

enum {
    MAX_ARGUMENTS = 64,
    MAX_GROUP = 1024,
    SIMD_WIDTH = 32,
    THREADGROUP_MEMORY = 32768,
    MAX_DENSE_STACK = 16384,
    LARGEST_VALUE = 64,
};

// How a dispatch is cut into units of work.
enum Mode {
    MODE_GRID = 0,    // a unit is a run of threads along x; the wrapper loops, vectorised
    MODE_GROUP = 1,   // a unit is a threadgroup whose threads never wait; the wrapper loops, vectorised
    MODE_THREAD = 2,  // a unit is a threadgroup whose threads wait for one another; one stack a thread
};

// One dispatch of a command buffer, written by the host in shared memory. Addresses are the device's.
struct Dispatch {
    uptr run;          // the wrapper's entry, of the type that `mode` asks for
    u32 mode;
    u32 tile;          // MODE_GRID: threads along x in a unit
    u32 grid[3];       // threads per grid
    u32 group[3];      // threads per threadgroup
    u32 groups[3];     // threadgroups per grid, partial ones counted
    u32 units;         // units of work in the dispatch
    u32 workers;       // those with a share of it, the first ones: not more than there are units
    u32 stack;         // MODE_THREAD: bytes of stack that a thread needs; 0 where that is not known
    uptr arguments[MAX_ARGUMENTS];
};

// Where a threadgroup's threads find who they are; MODE_THREAD.
struct Group {
    u32 position[3];   // threadgroup_position_in_grid
    u32 size[3];       // threads_per_threadgroup, smaller in a partial group
    u32 threads;       // product of `size`
};

// What the lanes of a simdgroup that came to one place together have brought there. include/metal_runtime knows it too.
struct Exchange {
    u32 active;        // a bit for each lane that takes part
    u32 lane;          // the lane that asks; set anew as each is resumed
    u64 values[SIMD_WIDTH * LARGEST_VALUE / 8];  // of every lane, one after the other, in their own size
};

typedef void (*RunUnits)(const struct Dispatch *dispatch, u32 first, u32 last);
typedef void (*RunThread)(const struct Dispatch *dispatch, const struct Group *group, u32 index);

// Shared with the host; how it learns what happened when the device died.
struct Status {
    i32 signal;        // 0 while all is well
    u32 access;        // of the faulting access: 0 unknown, 1 read, 2 write
    u64 address;       // of the faulting access
    u32 dispatch;      // index in the command buffer of the dispatch that faulted
    u32 finished;      // dispatches of the command buffer that are complete
    u64 guard;         // bytes before and after each mapping where every access faults
    u32 finding;       // enum Finding
    u32 thread;        // index in its threadgroup of the thread concerned
    u32 group[3];      // position of its threadgroup
    u32 lines[2];      // places in the source: of two barriers
    u64 patience;      // set by the host: nanoseconds that a worker looks at the ticket before it sleeps; see pool.c
};

enum Finding {
    FINDING_NONE = 0,
    FINDING_DIVERGENT_BARRIER = 1,  // two threads of a group wait at two different barriers
    FINDING_STACK_OVERFLOW = 2,     // a thread's own variables need more than its stack
    FINDING_THREADGROUP_MEMORY = 3, // an access beyond threadgroup memory
    FINDING_OUT_OF_MEMORY = 4,      // no memory for the threads' stacks
};

#endif
