// Threads of a threadgroup that wait for one another: one small stack each, run in turn by the worker.
#include "check.h"
#include "platform.h"
#include "profile.h"
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

static void forget_large_stacks(struct Worker *worker) {
    if (mprotect((char *)worker + LARGE_STACKS, ARENA_SIZE - LARGE_STACKS, PROT_NONE)) die(worker, FINDING_OUT_OF_MEMORY);
    worker->guarded = worker->deep = 0;
}

// As large ones, all the room there is for so many: counted code that is very long is not optimised, and keeps every value
// on its stack.
static char *deep_stacks(struct Worker *worker, u32 count, uptr *stride) {
    char *stacks = (char *)worker + LARGE_STACKS;
    *stride = (ARENA_SIZE - LARGE_STACKS) / count & ~(PAGE - 1);
    if (worker->deep != count) {
        forget_large_stacks(worker);
        for (u32 i = 0; i < count; ++i) make_accessible(worker, stacks + i * *stride + PAGE, *stride - PAGE);
        worker->deep = count;
    }
    return stacks;
}

// Stacks of a size that should do, each above an inaccessible page.
static char *large_stacks(struct Worker *worker, u32 count, uptr *stride) {
    char *stacks = (char *)worker + LARGE_STACKS;
    if (worker->profiled) return deep_stacks(worker, count, stride);
    if (worker->deep) forget_large_stacks(worker);
    *stride = LARGE_STACK;
    for (; worker->guarded < count; ++worker->guarded) {
        make_accessible(worker, stacks + worker->guarded * LARGE_STACK + PAGE, LARGE_STACK - PAGE);
    }
    return stacks;
}

static u32 next_runnable(const struct Worker *worker, u32 from, u32 end) {
    while (from < end && worker->threads[from].state != RUNNABLE) ++from;
    return from;
}

static void copy_value(char *to, const char *from, u32 size) {
    if (size == 4) {
        __builtin_memcpy(to, from, 4);
        return;
    }
    for (u32 byte = 0; byte < size; ++byte) to[byte] = from[byte];
}

// All lanes of a simdgroup wait or have ended. Those that wait for one another at one place are released together: at the
// place that comes first in the code, because lanes that are further along wait for those that follow, as on a GPU.
static void release_lanes(struct Worker *worker, u32 first, u32 end) {
    struct Simdgroup *simdgroup = &worker->simdgroups[first / SIMD_WIDTH];
    uptr site = ~(uptr)0;
    for (u32 i = first; i < end; ++i) {
        const struct Thread *thread = &worker->threads[i];
        if (thread->state == AT_EXCHANGE && thread->site < site) site = thread->site;
    }
    ++simdgroup->released;
    simdgroup->exchange.active = 0;
    for (u32 i = first; i < end; ++i) {
        struct Thread *thread = &worker->threads[i];
        if (thread->state != AT_EXCHANGE || thread->site != site) continue;
        const u32 lane = i - first;
        copy_value((char *)simdgroup->exchange.values + lane * thread->size, (char *)simdgroup->posted[lane], thread->size);
        simdgroup->exchange.active |= (u32)1 << lane;
        thread->state = RUNNABLE;
        --worker->exchanging;
    }
    if (worker->profiled) profile_released(first, simdgroup->exchange.active);
}

// Leaves the running thread: for the next of its simdgroup, then the next simdgroup, then the scheduler.
static void go_on(struct Worker *worker) {
    struct Thread *thread = &worker->threads[worker->current];
    const u32 threads = worker->group.threads;
    const u32 first = worker->current / SIMD_WIDTH * SIMD_WIDTH;
    const u32 end = first + SIMD_WIDTH < threads ? first + SIMD_WIDTH : threads;
    u32 next = next_runnable(worker, worker->current + 1, end);
    if (next == end && worker->profiled) profile_settle(worker, first);
    if (next == end && worker->exchanging) {  // by lanes of this simdgroup: the others were not left before they were done
        release_lanes(worker, first, end);
        next = next_runnable(worker, first, end);
    }
    if (next == end) next = next_runnable(worker, end, threads);
    worker->current = next;
    // A lane that waited alone goes on at once: where its stack stood when it was left last is no longer true.
    if (next < threads && thread == &worker->threads[next]) return;
    switch_stack(&thread->stack, next < threads ? worker->threads[next].stack : worker->scheduler);
}

void end_thread(struct Worker *worker) {
    worker->threads[worker->current].state = DONE;
    go_on(worker);
    __builtin_unreachable();
}

static void thread_main(void) {
    struct Worker *worker = this_worker();
    worker->body(worker->dispatch, &worker->group, worker->current);
    end_thread(worker);
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
        worker->threads[i].state = RUNNABLE;
    }
}

// Runs every thread to its next barrier or its end. False when none waits at a barrier.
static int run_to_barrier(struct Worker *worker) {
    worker->waiting = 0;
    worker->current = next_runnable(worker, 0, worker->group.threads);
    switch_stack(&worker->scheduler, worker->threads[worker->current].stack);
    if (!worker->waiting) return 0;
    if (worker->checked) check_barrier(worker, worker->orders);
    if (worker->profiled) profile_barrier(worker);
    for (u32 i = 0; i < worker->group.threads; ++i) {
        if (worker->threads[i].state == AT_BARRIER) worker->threads[i].state = RUNNABLE;
    }
    return 1;
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
    worker->exchanging = 0;
    start_threads(worker);
    while (run_to_barrier(worker)) {}
}

__attribute__((visibility("default"), noinline)) void metal_threadgroup_barrier(u32 line, u32 column, u32 orders) {
    struct Worker *worker = this_worker();
    if (worker->waiting && (worker->line != line || worker->column != column)) {
        if (worker->checked) check_divergence(worker, line);
        // Two threads at two barriers: each would wait for the other. A thread that has returned is no longer waited
        // for, as on Apple's GPUs.
        worker->status->lines[0] = worker->line;
        worker->status->lines[1] = line;
        die(worker, FINDING_DIVERGENT_BARRIER);
    }
    worker->line = line;
    worker->column = column;
    worker->orders = orders;
    ++worker->waiting;
    worker->threads[worker->current].state = AT_BARRIER;
    go_on(worker);
}

void stop_lane(struct Worker *worker, uptr site) {
    struct Thread *thread = &worker->threads[worker->current];
    thread->site = site;
    thread->state = AT_EXCHANGE;
    ++worker->exchanging;
    go_on(worker);
}

static const struct Exchange *exchange(struct Worker *worker, const void *value, u32 size, uptr site) {
    const u32 index = worker->current;
    struct Thread *thread = &worker->threads[index];
    struct Simdgroup *simdgroup = &worker->simdgroups[index / SIMD_WIDTH];
    copy_value((char *)simdgroup->posted[index % SIMD_WIDTH], value, size);
    thread->size = size;
    stop_lane(worker, worker->profiled ? profile_place(worker) : site);
    simdgroup->exchange.lane = index % SIMD_WIDTH;
    return &simdgroup->exchange;
}

// Posts a value and waits for the lanes of the simdgroup that come to the same call.
__attribute__((visibility("default"), noinline)) const struct Exchange *metal_exchange(const void *value, u32 size) {
    return exchange(this_worker(), value, size, (uptr)__builtin_return_address(0));
}

// Waits for the lanes of the simdgroup that come to the same call.
__attribute__((visibility("default"), noinline)) void metal_simdgroup_barrier(u32 orders) {
    struct Worker *worker = this_worker();
    exchange(worker, 0, 0, (uptr)__builtin_return_address(0));
    if (worker->checked) check_simdgroup_barrier(worker, orders);
}
