// The pool of workers that carry out command buffers, and the entry points that the host calls.
//
// Every dispatch is divided before it starts: chunk c is for worker c modulo their number, whatever the others are doing.
// So the processor time of a worker is that of its own share. It does not grow when the system sets another worker
// aside, as it would if the others took over, and a kernel that gives one worker all the work is as slow as that worker.
// The host's own thread, which runs Python between two command buffers, has no share: on a busy machine what it does
// beside varies by more than small kernels take. It drives the sanitizer and the profiler.
//
// There is no rendezvous besides. `ticket` names the dispatch at work; whoever finishes the last chunk of it opens the
// next one, and a worker without a chunk of its own holds nobody up.
#include "check.h"
#include "platform.h"
#include "isolation.h"
#include "memory.h"
#include "profile.h"
#include "worker.h"

enum { MAX_WORKERS = 256, SPIN = 300 };
#define NO_DISPATCH 0xffffffffu

struct Pool {
    _Alignas(64) u64 ticket;     // run << 32 | dispatch at work, so that no two dispatches have the same
    _Alignas(64) u32 unfinished; // chunks of the dispatch at work that are not finished
    _Alignas(64) u32 inside;     // workers that may be reading the command buffer
    _Alignas(64) u32 epoch;      // counts openings; what idle workers sleep on
    u32 sleepers;
    u32 ended;                   // counts command buffers that are finished
    u32 left;                    // counts the times that all workers have left one; what the host's thread sleeps on
    u32 stop;
    const struct Dispatch *commands;
    u32 count;
    struct Status *status;
    struct Worker *workers[MAX_WORKERS];
    u32 joined;                  // threads that have asked for a place
    u32 worker_count;            // those that have one
    u32 runs;
};

static struct Pool pool = {.ticket = NO_DISPATCH};

static int idle(u64 ticket) { return (u32)ticket == NO_DISPATCH; }

static void announce(u32 dispatch) {
    __atomic_store_n(&pool.ticket, (u64)pool.runs << 32 | dispatch, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&pool.epoch, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool.sleepers, __ATOMIC_SEQ_CST)) futex_wake(&pool.epoch, 0x7fffffff);
}

static void open_dispatch(u32 index) {
    pool.status->finished = index;
    if (index == pool.count) {
        announce(NO_DISPATCH);
        __atomic_fetch_add(&pool.ended, 1, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_store_n(&pool.unfinished, pool.commands[index].chunks, __ATOMIC_SEQ_CST);
    announce(index);
}

static __attribute__((noinline)) void forget_units(const struct Dispatch *dispatch, u32 first, u32 last) {
    (void)dispatch, (void)first, (void)last;
    forget(this_worker());
}

static void run_chunk(struct Worker *worker, const struct Dispatch *dispatch, u32 chunk) {
    const u32 first = (u64)dispatch->units * chunk / dispatch->chunks;
    const u32 last = (u64)dispatch->units * (chunk + 1) / dispatch->chunks;
    if (dispatch->mode == MODE_THREAD) {
        for (u32 unit = first; unit < last; ++unit) run_group(worker, unit);
    } else if (dispatch->run == (uptr)forget_units) {
        forget_units(dispatch, first, last);
    } else {
        // Kernels lie below all that `forget` does not reach, its own frames.
        char *apart = __builtin_alloca(1024);
        __asm__ volatile("" ::"r"(apart) : "memory");
        ((RunUnits)dispatch->run)(dispatch, first, last);
    }
}

static void run_share(struct Worker *worker, u32 index) {
    const struct Dispatch *dispatch = &pool.commands[index];
    u32 finished = 0;
    worker->commands = pool.commands;
    worker->status = pool.status;
    worker->dispatch = dispatch;
    const u32 workers = pool.worker_count - 1;  // all but the host's thread, which is the first
    for (u32 chunk = worker->index - 1; chunk < dispatch->chunks; chunk += workers) {
        run_chunk(worker, dispatch, chunk);
        ++finished;
    }
    worker->dispatch = 0;
    if (finished && __atomic_sub_fetch(&pool.unfinished, finished, __ATOMIC_SEQ_CST) == 0) open_dispatch(index + 1);
}

// Ends a worker's look at the command buffer, and wakes the host's thread if it was the last at one that is finished.
// Not before that: Linux often runs a thread that is woken on the processor of the one that wakes it, at once. There the
// host would wait for the very worker that it has put aside: a seventh of the processor time of short command buffers.
static void leave(void) {
    if (__atomic_sub_fetch(&pool.inside, 1, __ATOMIC_SEQ_CST)) return;
    if (!idle(__atomic_load_n(&pool.ticket, __ATOMIC_SEQ_CST))) return;
    __atomic_fetch_add(&pool.left, 1, __ATOMIC_SEQ_CST);
    futex_wake(&pool.left, 1);
}

// Runs the worker's share of the dispatch at work. False when there was none that it has not yet seen.
static int take(struct Worker *worker) {
    const u64 seen = __atomic_load_n(&pool.ticket, __ATOMIC_ACQUIRE);
    if (idle(seen) || seen == worker->last) return 0;
    __atomic_fetch_add(&pool.inside, 1, __ATOMIC_SEQ_CST);
    // From here on the command buffer stays what it is; but the ticket may have moved on since it was seen.
    const u64 now = __atomic_load_n(&pool.ticket, __ATOMIC_SEQ_CST);
    if (!idle(now)) {
        worker->last = now;
        run_share(worker, (u32)now);
    }
    leave();
    return 1;
}

static void sleep_unless_changed(u32 epoch) {
    __atomic_fetch_add(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool.epoch, __ATOMIC_SEQ_CST) == epoch) futex_wait(&pool.epoch, epoch);
    __atomic_fetch_sub(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
}

// Works until the pool stops.
static void work(void *argument) {
    struct Worker *worker = argument;
    u32 waited = 0;
    while (!__atomic_load_n(&pool.stop, __ATOMIC_SEQ_CST)) {
        const u32 epoch = __atomic_load_n(&pool.epoch, __ATOMIC_SEQ_CST);
        if (take(worker)) {
            waited = 0;
        } else if (++waited < SPIN) {
            relax();
        } else {
            sleep_unless_changed(epoch);
            waited = 0;
        }
    }
}

static char *main_stack(struct Worker *worker) { return (char *)worker + MAIN_STACK_END; }

static void crashed(int signal, void *info, void *context) {
    struct Status *status = pool.status;
    const struct Worker *worker = 0;
    for (u32 i = 0; i < pool.worker_count; ++i) {
        if (!pool.workers[i]) continue;
        if (worker_of(context_stack(context)) == pool.workers[i]) worker = pool.workers[i];
        const u64 offset = fault_address(info) - (uptr)pool.workers[i];
        if (signal == SIGSEGV && offset < ARENA_SIZE) {
            status->finding = offset >= MAIN_STACK_END - MAIN_STACK_SIZE - PAGE ? FINDING_STACK_OVERFLOW
                                                                                : FINDING_THREADGROUP_MEMORY;
        }
    }
    status->address = fault_address(info);
    status->access = context_access(context);
    if (fault_is_of_the_processor(info)) {
        status->address = ~(u64)0;
        status->access = 0;
    }
    status->dispatch = worker && worker->dispatch ? (u32)(worker->dispatch - worker->commands) : status->finished;
    __atomic_store_n(&status->signal, signal, __ATOMIC_SEQ_CST);
    _exit(128 + signal);
}

void die(struct Worker *worker, enum Finding finding) {
    struct Status *status = worker->status;
    status->finding = finding;
    status->thread = worker->current;
    for (int axis = 0; axis < 3; ++axis) status->group[axis] = worker->group.position[axis];
    status->dispatch = (u32)(worker->dispatch - worker->commands);
    _exit(1);
}

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

// Before all others, and before any other thread is started. From here on nothing can be opened but shared memory.
__attribute__((visibility("default"))) int metal_isolate(void) {
    return restrict_files(0, 0) || restrict_calls(ROLE_DEVICE) ? -1 : 0;
}

__attribute__((visibility("default"))) int metal_start(struct Status *status) {
    pool.status = status;
    status->guard = memory_guard();
    struct SignalAction action = {.handler = crashed, .flags = SA_SIGINFO | SA_ONSTACK};
    for (u32 i = 0; i < sizeof fatal_signals / sizeof *fatal_signals; ++i) {
        if (sigaction(fatal_signals[i], &action, 0)) return -1;
    }
    return 0;
}

// Adds the calling thread to the pool: the first, which is the host's, returns at once; the others work until
// `metal_stop`. Returns -1 when there is no memory for it.
__attribute__((visibility("default"))) int metal_join(void) {
    struct Worker *worker = worker_create();
    if (!worker) return -1;
    const struct SignalStack stack = {.base = (char *)worker + SIGNAL_STACK, .size = SIGNAL_STACK_SIZE};
    if (sigaltstack(&stack, 0)) return -1;
    flush_denormals();
    const u32 index = __atomic_fetch_add(&pool.joined, 1, __ATOMIC_SEQ_CST);
    if (index >= MAX_WORKERS) return -1;
    worker->index = index;
    worker->last = NO_DISPATCH;
    pool.workers[index] = worker;
    __atomic_fetch_add(&pool.worker_count, 1, __ATOMIC_SEQ_CST);
    futex_wake(&pool.worker_count, 1);
    if (index) call_on_stack(main_stack(worker), work, worker);
    return 0;
}

// Returns when so many have joined, the host's thread among them. A command buffer is divided by the number of workers, which must not depend on how
// fast they start.
__attribute__((visibility("default"))) void metal_await(u32 workers) {
    u32 now;
    while ((now = __atomic_load_n(&pool.worker_count, __ATOMIC_SEQ_CST)) < workers) futex_wait(&pool.worker_count, now);
}

__attribute__((visibility("default"))) void metal_run(const struct Dispatch *commands, u32 count) {
    pool.commands = commands;
    pool.count = count;
    ++pool.runs;
    const u32 ended = __atomic_load_n(&pool.ended, __ATOMIC_SEQ_CST);
    open_dispatch(0);
    for (;;) {
        const u32 left = __atomic_load_n(&pool.left, __ATOMIC_SEQ_CST);
        const int is_over = __atomic_load_n(&pool.ended, __ATOMIC_SEQ_CST) != ended;
        if (is_over && !__atomic_load_n(&pool.inside, __ATOMIC_SEQ_CST)) return;
        futex_wait(&pool.left, left);
    }
}

// Every worker forgets what kernels have left on its stacks and in its threadgroup memory.
__attribute__((visibility("default"))) void metal_forget(void) {
    static struct Dispatch dispatch;
    dispatch = (struct Dispatch){.run = (uptr)forget_units, .mode = MODE_GRID};
    dispatch.units = dispatch.chunks = pool.worker_count - 1;
    metal_run(&dispatch, 1);
}

static void work_checked(void *argument) { check_commands(pool.workers[0], argument, pool.status); }

// Runs the command buffer of `check`, whose kernels are instrumented, on the calling thread alone.
__attribute__((visibility("default"))) void metal_check(struct Check *check) {
    call_on_stack(main_stack(pool.workers[0]), work_checked, check);
}

static void work_profiled(void *argument) { profile_dispatch(pool.workers[0], argument, pool.status); }

// Runs the threadgroups that `profile` names, of a counted kernel, on the calling thread alone.
__attribute__((visibility("default"))) void metal_profile(struct Profile *profile) {
    call_on_stack(main_stack(pool.workers[0]), work_profiled, profile);
}

__attribute__((visibility("default"))) void metal_stop(void) {
    __atomic_store_n(&pool.stop, 1, __ATOMIC_SEQ_CST);
    announce(NO_DISPATCH);
}
