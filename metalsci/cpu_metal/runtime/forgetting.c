// A kernel's own variables and threadgroup memory start undefined, which on this device is what the run before has left
// there. A kernel that found its old results there would not have to compute them.
#include "platform.h"
#include "worker.h"

#define NEAR ((uptr)64 << 10)  // bytes of the main stack that are overwritten; what lies beyond is given back
#define OLD 0xA5A5A5A5A5A5A5A5ull
#define USUAL ((uptr)4 << 10)  // bytes of a large stack that most kernels touch
#define DONT_NEED 4            // Linux: the pages read as zero from then on

// Of what is not a multiple of eight bytes the last few stay.
static __attribute__((noinline)) void overwrite(char *start, uptr size) {
    volatile u64 *words = (volatile u64 *)(((uptr)start + 7) & ~(uptr)7);
    for (uptr at = 0; at < (size - 7) / 8 && size >= 8; ++at) words[at] = OLD;
}

// What lies just below the caller's frame, where calls stand.
static __attribute__((noinline)) void overwrite_below(void) {
    char *below = __builtin_alloca(2048);
    overwrite(below, 2048);
}

__attribute__((noinline)) void forget(struct Worker *worker) {
    // Down to less than a kilobyte above a page's start, which the calls from here on need.
    const uptr beyond = ((uptr)__builtin_frame_address(0) - 1024) & (PAGE - 1);
    char *near = __builtin_alloca(NEAR + beyond);
    overwrite(near, NEAR + beyond);
    char *main_stack = (char *)worker + MAIN_STACK_END - MAIN_STACK_SIZE;
    madvise(main_stack, (uptr)(near - main_stack) & ~(PAGE - 1), DONT_NEED);
    overwrite_below();
    overwrite((char *)worker + THREADGROUP_OFFSET, THREADGROUP_MEMORY);
    overwrite((char *)worker + DENSE_STACKS, worker->dense);
    for (u32 i = 0; i < worker->guarded; ++i) {
        char *end = (char *)worker + LARGE_STACKS + (i + 1) * LARGE_STACK;
        overwrite(end - USUAL, USUAL);
        madvise(end - LARGE_STACK + PAGE, LARGE_STACK - PAGE - USUAL, DONT_NEED);
    }
}
