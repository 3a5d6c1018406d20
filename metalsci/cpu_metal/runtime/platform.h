// What the runtime needs from the operating system, declared rather than included. Of Linux, x86-64 and aarch64; of macOS,
// Apple silicon, where it compiles: what is missing there is in docs/cpu_metal.md.
#ifndef METAL_PLATFORM_H
#define METAL_PLATFORM_H

#include "runtime.h"

extern void *mmap(void *, uptr, int, int, int, long);
extern int munmap(void *, uptr);
extern int mprotect(void *, uptr, int);
extern int madvise(void *, uptr, int);
extern int sigaction(int, const void *, void *);
extern int sigaltstack(const void *, void *);
extern int clock_gettime(int, void *);
extern void _exit(int) __attribute__((noreturn));

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10 };
enum { SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGSEGV = 11 };
#define MAP_FAILED ((void *)-1)

#if defined(__linux__)
#include "platform_linux.h"
#elif defined(__APPLE__)
#include "platform_macos.h"
#else
#error "the runtime knows Linux and macOS"
#endif

// Of a clock that goes on while the process is set aside.
static inline u64 nanoseconds(void) {
    struct { long seconds, nanoseconds; } now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.seconds * 1000000000 + (u64)now.nanoseconds;
}

// relax: tells the processor that it is waiting. flush_denormals: results and operands, as Apple's GPUs do.
#if defined(__x86_64__)
static inline void relax(void) { __builtin_ia32_pause(); }
static inline void flush_denormals(void) { __builtin_ia32_ldmxcsr(0x9fc0); }
#elif defined(__aarch64__)
static inline void relax(void) { __asm__ volatile("yield"); }
static inline void flush_denormals(void) { __asm__ volatile("msr fpcr, %0" : : "r"(1ul << 24)); }
#else
#error "the runtime knows x86-64 and aarch64"
#endif

#endif
