// The pool of workers that carry out command buffers, and the entry points that the host calls.
//
// Every dispatch is divided before it starts, whatever the workers are doing then: see share.h. One that is known to take
// about a microsecond or less is the first worker's alone: see cost.h. So the processor time of a worker is that of its own
// share. It does not grow when the system sets another worker aside, as it would if the others took over, and a kernel
// that gives one worker all the work is as slow as that worker.
// The host's own thread, which runs Python between two command buffers, has no share: on a busy machine what it does
// beside varies by more than small kernels take. It drives the sanitizer and the profiler.
//
// There is no rendezvous besides. `ticket` names the dispatch at work and how many workers have a share of it; whoever
// finishes the last share opens the next dispatch, and a worker without a share holds nobody up: it looks at nothing but
// the ticket. Who has one is the only reader of the command buffer, which stays what it is until that share is finished.
#include "check.h"
#include "cost.h"
#include "platform.h"
#include "isolation.h"
#include "memory.h"
#include "profile.h"
#include "share.h"
#include "worker.h"

enum { MAX_WORKERS = 256, LOOKS = 8 };
#define NO_DISPATCH 0xffffffffu

struct Pool {
    _Alignas(64) u64 ticket;     // run << 40 | workers with a share << 32 | dispatch at work: no two are the same
    _Alignas(64) u32 unfinished; // shares of the dispatch at work that are not finished
    _Alignas(64) u32 ended;      // counts command buffers that are finished; what the host's thread sleeps on
    const struct Dispatch *commands;
    u32 count;
    u32 runs;
    struct Status *status;
    struct Worker *workers[MAX_WORKERS];
    u32 joined;                  // threads that have asked for a place
    u32 worker_count;            // those that have one
};

static struct Pool pool = {.ticket = NO_DISPATCH};
static struct Costs costs;
static struct { _Alignas(64) u32 asleep; } seats[MAX_WORKERS];  // by worker: whether it sleeps, and what it sleeps on

static int idle(u64 ticket) { return (u32)ticket == NO_DISPATCH; }

static u32 workers_of(u64 ticket) { return ticket >> 32 & 0xff; }

// Whether the ticket is of a dispatch that the worker is still to do its share of. The host's thread is the first worker.
static int wants(const struct Worker *worker, u64 ticket) {
    return !idle(ticket) && worker->index <= workers_of(ticket) && ticket != worker->last;
}

static void publish(u32 dispatch, u32 workers) {
    __atomic_store_n(&pool.ticket, (u64)pool.runs << 40 | (u64)workers << 32 | dispatch, __ATOMIC_SEQ_CST);
}

static __attribute__((noinline)) void forget_units(const struct Dispatch *dispatch, u32 first, u32 last) {
    (void)dispatch, (void)first, (void)last;
    forget(this_worker());
}

// The workers that are to have a share of a dispatch. Each has to forget for itself, however quickly that is done.
static u32 sharers(const struct Dispatch *dispatch) {
    return dispatch->run == (uptr)forget_units ? dispatch->workers : workers_for(&costs, dispatch);
}

// Opens a dispatch and wakes those workers that have a share of it and sleep; after the last one, the host's thread.
static void open_dispatch(u32 index) {
    pool.status->finished = index;
    if (index == pool.count) {
        publish(NO_DISPATCH, 0);
        __atomic_fetch_add(&pool.ended, 1, __ATOMIC_SEQ_CST);
        futex_wake(&pool.ended, 1);
        return;
    }
    const u32 workers = sharers(&pool.commands[index]);
    __atomic_store_n(&pool.unfinished, workers, __ATOMIC_SEQ_CST);
    publish(index, workers);
    // From here on the dispatch may be over at any time, and the command buffer gone.
    for (u32 i = 1; i <= workers; ++i) {
        if (!__atomic_load_n(&seats[i].asleep, __ATOMIC_SEQ_CST)) continue;
        if (__atomic_exchange_n(&seats[i].asleep, 0, __ATOMIC_SEQ_CST)) futex_wake(&seats[i].asleep, 1);
    }
}

static void run_units(struct Worker *worker, const struct Dispatch *dispatch, u32 first, u32 last) {
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

static void run_share(struct Worker *worker, u32 index, u32 workers) {
    const struct Dispatch *dispatch = &pool.commands[index];
    worker->commands = pool.commands;
    worker->status = pool.status;
    worker->dispatch = dispatch;
    const u64 begin = worker->index == 1 ? begin_share(&costs, dispatch) : 0;
    const u32 rounds = rounds_of(dispatch->units, workers);
    for (u32 round = 0; round < rounds; ++round) {
        const struct Part part = part_of(dispatch->units, workers, worker->index - 1, round, rounds);
        if (part.first < part.last) run_units(worker, dispatch, part.first, part.last);
    }
    end_share(&costs, dispatch, begin, workers);
    worker->dispatch = 0;
}

// Does the worker's share of the dispatch at work. If that was the last one, it opens the next dispatch, unless that is for
// this worker alone: such ones it does in passing, and no other worker hears of them. Returns 1 if there is nothing more to
// come: to wait for others would count as work, and on a busy machine they may come late.
static int work_on(struct Worker *worker, u64 ticket) {
    u32 index = (u32)ticket;
    worker->last = ticket;
    run_share(worker, index, workers_of(ticket));
    const int is_last = index + 1 == pool.count;
    if (__atomic_sub_fetch(&pool.unfinished, 1, __ATOMIC_SEQ_CST)) return is_last;
    while (++index < pool.count && worker->index == 1 && sharers(&pool.commands[index]) == 1) {
        pool.status->finished = index;
        run_share(worker, index, 1);
    }
    open_dispatch(index);
    return 0;
}

// Returns once the ticket is another, or when somebody has called the worker.
static void sleep_while(const struct Worker *worker, u64 seen) {
    u32 *asleep = &seats[worker->index].asleep;
    __atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(asleep, __ATOMIC_SEQ_CST) && __atomic_load_n(&pool.ticket, __ATOMIC_SEQ_CST) == seen) {
        futex_wait(asleep, 1);
    }
    __atomic_store_n(asleep, 0, __ATOMIC_SEQ_CST);
}

// Returns 1 when the ticket is another one. `give_up`: when to stop, 0 if it has not yet been said.
static int look(u64 seen, u64 *give_up) {
    do {
        for (int i = 0; i < LOOKS; ++i) {
            relax();
            if (__atomic_load_n(&pool.ticket, __ATOMIC_ACQUIRE) != seen) return 1;
        }
        const u64 now = nanoseconds();
        if (!*give_up) *give_up = now + pool.status->patience;
        if (now >= *give_up) return 0;
    } while (1);
}

// Works for as long as the process lives. Between two shares a worker looks at the ticket for a while: to sleep and be
// woken costs two processors ten microseconds each, and by the wall up to forty. Between two command buffers it sleeps.
static void work(void *argument) {
    struct Worker *worker = argument;
    u64 give_up = 0;
    for (;;) {
        const u64 ticket = __atomic_load_n(&pool.ticket, __ATOMIC_SEQ_CST);
        if (wants(worker, ticket)) {
            give_up = 0;
            if (work_on(worker, ticket)) sleep_while(worker, ticket);
        } else if (idle(ticket) || !look(ticket, &give_up)) {
            sleep_while(worker, ticket);
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

// Adds the calling thread to the pool: the first, which is the host's, returns at once; the others work for good. Returns
// -1 when there is no memory for it.
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
    while (__atomic_load_n(&pool.ended, __ATOMIC_SEQ_CST) == ended) futex_wait(&pool.ended, ended);
}

// Every worker forgets what kernels have left on its stacks and in its threadgroup memory.
__attribute__((visibility("default"))) void metal_forget(void) {
    static struct Dispatch dispatch;
    dispatch = (struct Dispatch){.run = (uptr)forget_units, .mode = MODE_GRID};
    dispatch.units = dispatch.workers = pool.worker_count - 1;
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
