// Linux's numbers and layouts, as glibc and musl pass them on. Included by platform.h.
#ifndef METAL_PLATFORM_LINUX_H
#define METAL_PLATFORM_LINUX_H

extern long syscall(long, ...);

enum { MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000 };
enum { SIGBUS = 7, CLOCK_MONOTONIC = 1 };
enum { SA_SIGINFO = 4, SA_ONSTACK = 0x08000000 };
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

struct SignalAction { void (*handler)(int, void *, void *); u64 mask[16]; int flags; void (*restorer)(void); };
struct SignalStack { void *base; int flags; uptr size; };

static inline u64 fault_address(const void *info) { return ((const u64 *)info)[2]; }

// Whether the processor refused an access without looking for memory, as a vector's at an address that is no multiple of its
// size. The system knows no address then.
static inline int fault_is_of_the_processor(const void *info) { return ((const int *)info)[2] == 0x80; }

// Of a ucontext: the stack pointer, and whether the access was a read (1), a write (2) or is not known (0).
#if defined(__x86_64__)
enum { SYS_FUTEX = 202 };
static inline uptr context_stack(const void *c) { return ((const u64 *)c)[5 + 15]; }
static inline u32 context_access(const void *c) { return (((const u64 *)c)[5 + 19] & 2) ? 2 : 1; }
#elif defined(__aarch64__)
enum { SYS_FUTEX = 98, MACHINE_CONTEXT = 176, RECORDS = MACHINE_CONTEXT + 288, ESR_MAGIC = 0x45535201 };
// In its machine context: fault address, x0..x30, sp, pc and flags; then records, each of a kind, a size and what it holds.
static inline uptr context_stack(const void *c) { return ((const u64 *)c)[MACHINE_CONTEXT / 8 + 32]; }
static inline u32 context_access(const void *c) {
    struct Record { u32 magic, size; u64 syndrome; };
    const char *at = (const char *)c + RECORDS;
    for (int i = 0; i < 16; ++i) {
        const struct Record *record = (const struct Record *)at;
        if (record->magic == ESR_MAGIC) return (record->syndrome & 64) ? 2 : 1;
        if (!record->magic) break;
        at += record->size;
    }
    return 0;
}
#endif

static inline void futex_wait(u32 *word, u32 seen) { syscall(SYS_FUTEX, word, FUTEX_WAIT_PRIVATE, seen, 0, 0, 0); }
static inline void futex_wake(u32 *word, int count) { syscall(SYS_FUTEX, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0); }

#endif
