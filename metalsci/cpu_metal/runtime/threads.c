// Threads of a threadgroup that wait for one another: one small stack each, run in turn by the worker.
#include "platform.h"
#include "worker.h"

// What switch_stack pops before it returns into a fresh stack, in words; see switch.c.
#if defined(__x86_64__)
enum { RETURN_WORD = 6, FRAME_WORDS = 8 };
#elif defined(__aarch64__)
enum { RETURN_WORD = 11, FRAME_WORDS = 20 };
#endif

struct Worker *worker_create(void) {
    // Twice the size, of which the aligned half is kept.
    const uptr flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *reserved = mmap(0, 2 * ARENA_SIZE, PROT_NONE, flags, -1, 0);
    if (reserved == MAP_FAILED) return 0;
    char *arena = (char *)(((uptr)reserved + ARENA_SIZE - 1) & ~(ARENA_SIZE - 1));
    if (arena > reserved) munmap(reserved, arena - reserved);
    munmap(arena + ARENA_SIZE, reserved + ARENA_SIZE - arena);
    const uptr control = (sizeof(struct Worker) + PAGE - 1) & ~(PAGE - 1);
    if (mprotect(arena, control, PROT_READ | PROT_WRITE) ||
        mprotect(arena + THREADGROUP_OFFSET, THREADGROUP_MEMORY, PROT_READ | PROT_WRITE) ||
        mprotect(arena + MAIN_STACK_END - MAIN_STACK_SIZE, MAIN_STACK_SIZE, PROT_READ | PROT_WRITE) ||
        mprotect(arena + SIGNAL_STACK, SIGNAL_STACK_SIZE, PROT_READ | PROT_WRITE)) {
        return 0;
    }
    return (struct Worker *)arena;
}

// Every stack but its lowest page, which stays inaccessible and so catches an overflow.
static void make_stacks(struct Worker *worker, u32 count) {
    for (; worker->stacks < count; ++worker->stacks) {
        char *stack = (char *)worker + THREAD_STACKS + worker->stacks * THREAD_STACK;
        if (mprotect(stack + PAGE, THREAD_STACK - PAGE, PROT_READ | PROT_WRITE)) die(worker, FINDING_OUT_OF_MEMORY);
    }
}

// Gives the processor back to the scheduler until it resumes this thread.
static void wait_as(struct Worker *worker, u32 state, uptr site) {
    struct Thread *thread = &worker->threads[worker->current];
    thread->state = state;
    thread->site = site;
    switch_stack(&thread->stack, worker->scheduler);
}

static void thread_main(void) {
    struct Worker *worker = this_worker();
    worker->body(worker->dispatch, &worker->group, worker->current);
    wait_as(worker, DONE, 0);
}

static void start(struct Worker *worker, u32 index) {
    struct Thread *thread = &worker->threads[index];
    // Stacks lie a power of two apart; staggered, their tops do not compete for the same sets of the cache.
    const uptr stagger = (index % 64) * 192;
    char *end = (char *)worker + THREAD_STACKS + (index + 1) * THREAD_STACK - stagger;
    uptr *frame = (uptr *)end - FRAME_WORDS;
    for (u32 i = 0; i < FRAME_WORDS; ++i) frame[i] = 0;
    frame[RETURN_WORD] = (uptr)thread_main;
    thread->stack = frame;
    thread->state = RUNNABLE;
}

static void resume(struct Worker *worker, u32 index) {
    worker->current = index;
    switch_stack(&worker->scheduler, worker->threads[index].stack);
}

// Runs every thread to its next barrier or its end. True when all have ended.
static int run_to_barrier(struct Worker *worker) {
    const u32 threads = worker->group.threads;
    u32 waiting = threads;  // index of the first thread at a barrier
    for (u32 i = 0; i < threads; ++i) {
        if (worker->threads[i].state == DONE) continue;
        resume(worker, i);
        if (worker->threads[i].state != AT_BARRIER) continue;
        if (waiting == threads) {
            waiting = i;
        } else if (worker->threads[i].site != worker->threads[waiting].site) {
            // Two threads at two barriers: each would wait for the other. A thread that has returned is no
            // longer waited for, as on Apple's GPUs.
            die(worker, FINDING_DIVERGENT_BARRIER);
        }
    }
    return waiting == threads;
}

void run_group(struct Worker *worker, u32 unit) {
    const struct Dispatch *dispatch = worker->dispatch;
    struct Group *group = &worker->group;
    group->position[0] = unit % dispatch->groups[0];
    group->position[1] = unit / dispatch->groups[0] % dispatch->groups[1];
    group->position[2] = unit / dispatch->groups[0] / dispatch->groups[1];
    group->threads = 1;
    for (int axis = 0; axis < 3; ++axis) {
        const u32 left = dispatch->grid[axis] - group->position[axis] * dispatch->group[axis];
        group->size[axis] = left < dispatch->group[axis] ? left : dispatch->group[axis];
        group->threads *= group->size[axis];
    }
    worker->body = (RunThread)dispatch->run;
    make_stacks(worker, group->threads);
    for (u32 i = 0; i < group->threads; ++i) start(worker, i);
    while (!run_to_barrier(worker)) {}
}

__attribute__((visibility("default"), noinline)) void metal_threadgroup_barrier(void) {
    wait_as(this_worker(), AT_BARRIER, (uptr)__builtin_return_address(0));
}
