#include "memory.h"
#include "platform.h"

// An index of 32 bits times an element of 16 bytes stays within this.
enum { LARGEST_GUARD_SHIFT = 36, SMALLEST_GUARD_SHIFT = 16, MAPPINGS = 128 };

// Where a mapping starts, so that memory in large pages (execute/large_pages.py) is mapped by them: the smallest guard
// is no multiple of it.
enum { LARGE_PAGE = 2 << 20 };

static u64 guard;

static char *reserve(u64 size) {
    char *start = mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? 0 : start;
}

u64 memory_guard(void) {
    for (int shift = LARGEST_GUARD_SHIFT; !guard && shift >= SMALLEST_GUARD_SHIFT; --shift) {
        // Where address space is short (39 bits on some aarch64) or limited, less of it must do: enough for many buffers.
        const u64 wanted = (u64)2 * MAPPINGS << shift;
        char *probe = reserve(wanted);
        if (!probe) continue;
        munmap(probe, wanted);
        guard = (u64)1 << shift;
    }
    return guard;
}

// `size` is a multiple of the page. Returns 0 when there is no address space left.
__attribute__((visibility("default"))) uptr metal_map(int descriptor, u64 size, int writable) {
    const u64 whole = size + 2 * memory_guard();
    char *reserved = reserve(whole + LARGE_PAGE);
    if (!reserved) return 0;
    const uptr first = ((uptr)reserved + guard + LARGE_PAGE - 1) & -(uptr)LARGE_PAGE;
    char *start = (char *)first - guard;
    const u64 before = (u64)(start - reserved);
    if (before) munmap(reserved, before);
    if (before < LARGE_PAGE) munmap(start + whole, LARGE_PAGE - before);
    const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    char *mapped = mmap((char *)first, size, access, MAP_SHARED | MAP_FIXED, descriptor, 0);
    if (mapped == MAP_FAILED) {
        munmap(start, whole);
        return 0;
    }
    return first;
}

__attribute__((visibility("default"))) void metal_unmap(uptr address, u64 size) {
    munmap((char *)address - guard, size + 2 * guard);
}
