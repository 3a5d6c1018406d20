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

static void make_accessible(struct Worker *worker, char *start, uptr size) {
    if (mprotect(start, size, PROT_READ | PROT_WRITE)) die(worker, FINDING_OUT_OF_MEMORY);
}

// Stacks that just hold what the compiler says a thread needs, back to back. Few pages and few cache lines hold them all;
// an odd number of lines apart, their tops do not compete for the same sets of the cache.
static char *dense_stacks(struct Worker *worker, u32 count, uptr *stride) {
    char *stacks = (char *)worker + DENSE_STACKS;
    *stride = (worker->dispatch->stack + STACK_RESERVE + 63) / 64 * 64;
    if (*stride / 64 % 2 == 0) *stride += 64;
    const uptr needed = (count * *stride + PAGE - 1) & ~(PAGE - 1);
    if (needed > worker->dense) {
        make_accessible(worker, stacks, needed);
        worker->dense = needed;
    }
    return stacks;
}

// Stacks of a size that should do, each above an inaccessible page.
static char *large_stacks(struct Worker *worker, u32 count, uptr *stride) {
    char *stacks = (char *)worker + LARGE_STACKS;
    *stride = LARGE_STACK;
    for (; worker->guarded < count; ++worker->guarded) {
        make_accessible(worker, stacks + worker->guarded * LARGE_STACK + PAGE, LARGE_STACK - PAGE);
    }
    return stacks;
}

// Leaves the running thread for the next one that has not been run since the last barrier, else for the scheduler.
static void go_on(struct Worker *worker) {
    struct Thread *thread = &worker->threads[worker->current];
    u32 next = worker->current + 1;
    while (next < worker->group.threads && worker->threads[next].done) ++next;
    worker->current = next;
    switch_stack(&thread->stack, next < worker->group.threads ? worker->threads[next].stack : worker->scheduler);
}

static void thread_main(void) {
    struct Worker *worker = this_worker();
    const u32 index = worker->current;
    worker->body(worker->dispatch, &worker->group, index);
    worker->threads[index].done = 1;
    go_on(worker);
}

static void start_threads(struct Worker *worker) {
    const u32 count = worker->group.threads;
    uptr stride;
    char *stacks = (worker->dispatch->stack ? dense_stacks : large_stacks)(worker, count, &stride);
    for (u32 i = 0; i < count; ++i) {
        uptr *frame = (uptr *)(stacks + (i + 1) * stride) - FRAME_WORDS;
        for (u32 word = 0; word < FRAME_WORDS; ++word) frame[word] = 0;
        frame[RETURN_WORD] = (uptr)thread_main;
        worker->threads[i].stack = frame;
        worker->threads[i].done = 0;
    }
}

// Runs every thread to its next barrier or its end. False when none waits at a barrier.
static int run_to_barrier(struct Worker *worker) {
    worker->waiting = 0;
    u32 first = 0;
    while (worker->threads[first].done) ++first;
    worker->current = first;
    switch_stack(&worker->scheduler, worker->threads[first].stack);
    return worker->waiting != 0;
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
    start_threads(worker);
    while (run_to_barrier(worker)) {}
}

__attribute__((visibility("default"), noinline)) void metal_threadgroup_barrier(u32 line, u32 column) {
    struct Worker *worker = this_worker();
    if (worker->waiting && (worker->line != line || worker->column != column)) {
        // Two threads at two barriers: each would wait for the other. A thread that has returned is no longer waited
        // for, as on Apple's GPUs.
        worker->status->lines[0] = worker->line;
        worker->status->lines[1] = line;
        die(worker, FINDING_DIVERGENT_BARRIER);
    }
    worker->line = line;
    worker->column = column;
    ++worker->waiting;
    go_on(worker);
}
