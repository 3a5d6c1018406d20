// One native worker thread: its stacks, its threadgroup memory, and what it is doing.
//
// All of it lives in one arena, aligned to its own size, and all kernel code runs on stacks inside it. So code that knows
// nothing but its stack pointer (a barrier in a helper function, the crash handler) finds its worker by masking that.
#ifndef METAL_WORKER_H
#define METAL_WORKER_H

#include "runtime.h"

#define ARENA_SIZE ((uptr)128 << 20)
#define THREADGROUP_OFFSET ((uptr)1 << 20)  // include/metal_threadgroup_memory knows this figure
#define MAIN_STACK_END ((uptr)16 << 20)
#define MAIN_STACK_SIZE ((uptr)8 << 20)
#define SIGNAL_STACK ((uptr)24 << 20)
#define SIGNAL_STACK_SIZE ((uptr)64 << 10)
#define DENSE_STACKS ((uptr)32 << 20)
#define LARGE_STACKS ((uptr)64 << 20)
#define STACK_RESERVE 384                   // what the runtime itself puts on a thread's stack, generously
#define LARGE_STACK ((uptr)64 << 10)         // of a thread whose need is not known; its lowest page catches an overflow
#define PAGE ((uptr)16384)                  // the largest page of the systems meant

enum ThreadState { RUNNABLE, AT_BARRIER, AT_EXCHANGE, DONE };

struct Thread {
    void *stack;       // stack pointer while it does not run
    uptr site;         // AT_EXCHANGE: the call's return address
    u32 state;
    u32 size;          // AT_EXCHANGE: bytes of its value
};

// A simdgroup whose lanes exchange values.
struct Simdgroup {
    struct Exchange exchange;                      // of the lanes that were released last
    u64 posted[SIMD_WIDTH][LARGEST_VALUE / 8];     // by lanes that wait
    u32 released;                                  // how often lanes were released
};

struct Worker {
    u32 index;                        // its place in the pool
    u64 last;                         // ticket of the dispatch that it did its share of last; see pool.c
    const struct Dispatch *commands;  // the command buffer at work
    const struct Dispatch *dispatch;  // the dispatch at work; null between dispatches
    struct Status *status;
    RunThread body;
    struct Group group;
    u32 current;                      // index of the running thread; MODE_THREAD
    u32 waiting;                      // threads that wait at the barrier
    u32 exchanging;                   // threads that wait for others of their simdgroup
    u32 line, column, orders;         // where it stands in the source, and the memory that it orders
    u32 checked;                      // whether the sanitizer is to hear of barriers
    u32 profiled;                     // whether the profiler is to hear of barriers and of lanes that wait
    uptr dense;                       // bytes of memory for dense stacks made accessible so far
    u32 guarded;                      // large stacks made accessible so far
    u32 deep;                         // deep stacks there are, in the place of large ones
    void *scheduler;                  // stack pointer of the scheduler while a thread runs
    struct Thread threads[MAX_GROUP];
    struct Simdgroup simdgroups[MAX_GROUP / SIMD_WIDTH];
};

static inline struct Worker *worker_of(uptr address) { return (struct Worker *)(address & ~(ARENA_SIZE - 1)); }
static inline struct Worker *this_worker(void) { return worker_of((uptr)__builtin_frame_address(0)); }

_Static_assert(DENSE_STACKS + MAX_GROUP * (MAX_DENSE_STACK + STACK_RESERVE + 128) <= LARGE_STACKS, "stacks overlap");
_Static_assert(LARGE_STACKS + MAX_GROUP * LARGE_STACK <= ARENA_SIZE, "stacks leave the arena");

_Static_assert(sizeof(struct Worker) <= THREADGROUP_OFFSET - PAGE, "the worker overlaps threadgroup memory");

struct Worker *worker_create(void);

// Ends the running thread.
void end_thread(struct Worker *worker) __attribute__((noreturn));

// Stops the running thread until lanes of its simdgroup that stand at `site`, a place in the code, are released together.
void stop_lane(struct Worker *worker, uptr site);

// Runs one unit of work that is a threadgroup of threads which wait for one another.
void run_group(struct Worker *worker, u32 unit);

// Overwrites what kernels left on the worker's stacks and in its threadgroup memory, below the caller's frame.
void forget(struct Worker *worker);

// Calls `function(argument)` on the worker's own main stack.
void call_on_stack(void *stack_end, void (*function)(void *), void *argument);

// Saves the running context on its stack, leaves its stack pointer in `*save`, and continues at `stack`.
void switch_stack(void **save, void *stack);

// Records what went wrong and ends the process; the host reads the record.
void die(struct Worker *worker, enum Finding finding) __attribute__((noreturn));

#endif
