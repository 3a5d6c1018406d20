// What the runtime needs from the operating system, declared rather than included. Linux, x86-64 and aarch64.
#ifndef METAL_PLATFORM_H
#define METAL_PLATFORM_H

#include "runtime.h"

#if !defined(__linux__)
#error "the runtime knows Linux only: another system needs its own platform.h"
#endif

extern void *mmap(void *, uptr, int, int, int, long);
extern int munmap(void *, uptr);
extern int mprotect(void *, uptr, int);
extern int madvise(void *, uptr, int);
extern long syscall(long, ...);
extern int sigaction(int, const void *, void *);
extern int sigaltstack(const void *, void *);
extern void _exit(int) __attribute__((noreturn));

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000 };
enum { MADV_HUGEPAGE = 14 };
enum { SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11 };
enum { SA_SIGINFO = 4, SA_ONSTACK = 0x08000000, SA_NODEFER = 0x40000000 };
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };
#define MAP_FAILED ((void *)-1)

// struct sigaction and stack_t as glibc and musl lay them out on 64-bit Linux.
struct SignalAction { void (*handler)(int, void *, void *); u64 mask[16]; int flags; void (*restorer)(void); };
struct SignalStack { void *base; int flags; uptr size; };

#if defined(__x86_64__)
enum { SYS_FUTEX = 202 };
static inline void relax(void) { __builtin_ia32_pause(); }
static inline uptr context_stack(const void *c) { return ((const u64 *)c)[5 + 15]; }
static inline u32 context_access(const void *c) { return (((const u64 *)c)[5 + 19] & 2) ? 2 : 1; }
// Flush denormals, results and operands, as Apple's GPUs do.
static inline void flush_denormals(void) { __builtin_ia32_ldmxcsr(0x9fc0); }
#elif defined(__aarch64__)
enum { SYS_FUTEX = 98 };
static inline void relax(void) { __asm__ volatile("yield"); }
// ucontext: flags, link, stack (3 words), mask (16 words), padding, then fault address, x0..x30, sp.
static inline uptr context_stack(const void *c) { return ((const u64 *)c)[5 + 16 + 1 + 1 + 31]; }
static inline u32 context_access(const void *c) { (void)c; return 0; }
static inline void flush_denormals(void) { __asm__ volatile("msr fpcr, %0" : : "r"(1ul << 24)); }
#else
#error "the runtime knows x86-64 and aarch64"
#endif

static inline u64 fault_address(const void *info) { return ((const u64 *)info)[2]; }
static inline void futex_wait(u32 *word, u32 seen) { syscall(SYS_FUTEX, word, FUTEX_WAIT_PRIVATE, seen, 0, 0, 0); }
static inline void futex_wake(u32 *word, int count) { syscall(SYS_FUTEX, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0); }

#endif
