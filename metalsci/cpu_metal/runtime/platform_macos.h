// macOS's numbers and layouts, on Apple silicon. Included by platform.h. Compiled in a test, never yet run.
#ifndef METAL_PLATFORM_MACOS_H
#define METAL_PLATFORM_MACOS_H

extern int __ulock_wait(u32 operation, void *address, u64 value, u32 microseconds);
extern int __ulock_wake(u32 operation, void *address, u64 value);

enum { MAP_ANONYMOUS = 0x1000, MAP_NORESERVE = 0x40 };
enum { SIGBUS = 10, CLOCK_MONOTONIC = 6 };
enum { SA_SIGINFO = 0x40, SA_ONSTACK = 1 };
enum { ULOCK_COMPARE_AND_WAIT = 1, ULOCK_WAKE_ALL = 0x100 };

struct SignalAction { void (*handler)(int, void *, void *); u32 mask; int flags; };
struct SignalStack { void *base; uptr size; int flags; };

static inline int fault_is_of_the_processor(const void *info) { (void)info; return 0; }
static inline u64 fault_address(const void *info) { return ((const u64 *)info)[3]; }

// The sixth word of a ucontext points to the machine context: fault address, syndrome, x0..x28, fp, lr and sp.
static inline const u64 *machine_context(const void *c) { return (const u64 *)((const u64 *)c)[6]; }
static inline uptr context_stack(const void *c) { return machine_context(c)[2 + 31]; }
static inline u32 context_access(const void *c) { return ((u32)machine_context(c)[1] & 64) ? 2 : 1; }

static inline void futex_wait(u32 *word, u32 seen) { __ulock_wait(ULOCK_COMPARE_AND_WAIT, word, seen, 0); }
static inline void futex_wake(u32 *word, int count) {
    __ulock_wake(ULOCK_COMPARE_AND_WAIT | (count > 1 ? ULOCK_WAKE_ALL : 0), word, 0);
}

#endif
