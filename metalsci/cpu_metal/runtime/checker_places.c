// Which argument or variable an address belongs to, and whether it may be accessed; and the table of findings.
#include "checker.h"
#include "memory.h"

// Sites are a kernel's, however often it is dispatched.
static int same_kernel(u32 dispatch) {
    const struct Dispatch *commands = (const struct Dispatch *)checker.check->commands;
    return commands[dispatch].run == commands[checker.dispatch].run;
}

// A new finding to be filled in, or 0 where there is one like it, or no room.
struct CheckFinding *find(u32 kind, u32 site, u32 other_site, u32 flags) {
    struct Check *check = checker.check;
    for (u32 i = 0; i < check->found; ++i) {
        struct CheckFinding *known = &check->findings[i];
        if (known->kind == kind && known->site == site && known->other_site == other_site && known->flags == flags &&
            same_kernel(known->dispatch)) {
            ++known->count;
            return 0;
        }
    }
    if (check->found == MAX_FINDINGS) {
        ++check->lost;
        return 0;
    }
    const struct Worker *worker = this_worker();
    struct CheckFinding *finding = &check->findings[check->found++];
    *finding = (struct CheckFinding){.kind = kind, .flags = flags, .site = site, .other_site = other_site, .count = 1};
    finding->dispatch = checker.dispatch;
    finding->extent = ~0u;
    finding->thread = worker->current;
    finding->group = checker.unit;
    return finding;
}

void report(u32 kind, u32 flags, u32 site, const struct Place *place, u32 size) {
    struct CheckFinding *finding = find(kind, site, 0, flags);
    if (!finding) return;
    finding->extent = place->extent;
    finding->offset = place->offset;
    finding->size = size;
}

static uptr start_of(const struct Extent *extent) {
    return extent->start + (extent->flags & EXTENT_THREADGROUP ? (uptr)this_worker() + THREADGROUP_OFFSET : 0);
}

static struct Place place_in(u32 index, uptr address) {
    const struct Extent *extent = &checker.extents[index];
    const enum Space space = extent->flags & EXTENT_THREADGROUP ? SPACE_THREADGROUP : SPACE_DEVICE;
    return (struct Place){KNOWN, space, index, (long long)(address - start_of(extent))};
}

static u64 distance(const struct Extent *extent, uptr address, u32 size) {
    const uptr start = start_of(extent), end = start + extent->size;
    if (address < start) return start - address <= extent->before ? 1 : start - address;
    return address - start + size <= extent->size ? 0 : address < end ? 1 : address - end + 1;
}

// The dispatch's extent that holds the bytes, or else the nearest.
static struct Place nearest(uptr address, u32 size) {
    u64 best = memory_guard();
    u32 found = ~0u;
    for (u32 i = checker.first_extent; i < checker.end_extent && best; ++i) {
        const u64 away = distance(&checker.extents[i], address, size);
        if (away < best) {
            best = away;
            found = i;
        }
    }
    return found == ~0u ? (struct Place){.kind = NOWHERE, .extent = ~0u} : place_in(found, address);
}

struct Place locate(uptr address, u32 size, u32 site) {
    const struct Worker *worker = this_worker();
    const uptr offset = address - (uptr)worker;
    if (offset - LARGE_STACKS < MAX_GROUP * LARGE_STACK) {
        const int own = (offset - LARGE_STACKS) / LARGE_STACK == worker->current;
        return (struct Place){.kind = own ? PRIVATE_MEMORY : OTHER_STACK, .extent = ~0u};
    }
    u32 *recent = &checker.recent[site % RECENT];
    if (*recent >= checker.first_extent && *recent < checker.end_extent && !distance(&checker.extents[*recent], address, size)) {
        return place_in(*recent, address);
    }
    if (address >= checker.image && address < checker.image_end) return (struct Place){.kind = PRIVATE_MEMORY};
    if (offset < sizeof(struct Worker)) return (struct Place){.kind = EXCHANGED, .extent = ~0u};
    const struct Place place = nearest(address, size);
    if (place.kind == KNOWN) *recent = place.extent;
    return place;
}

// Whether the access may go on; reports why not.
int allowed(const struct Place *place, uptr address, u32 size, u32 how, u32 site, u32 writes) {
    u32 flags = (writes ? FOUND_WRITE : 0) | (how & HOW_ATOMIC ? FOUND_ATOMIC : 0), kind = 0;
    if (place->kind == OTHER_STACK) flags |= FOUND_STACK;
    if (place->kind != KNOWN) {
        kind = CHECK_WILD;
    } else {
        const struct Extent *extent = &checker.extents[place->extent];
        const long long end = place->offset + size;
        if (place->offset < -(long long)extent->before || end > (long long)extent->size) kind = CHECK_OUT_OF_BOUNDS;
        else if (writes && !(extent->flags & EXTENT_WRITABLE)) kind = CHECK_READ_ONLY;
    }
    if (kind) {
        if (!(how & HOW_QUIET)) report(kind, flags, site, place, size);
        return 0;
    }
    if ((how & HOW_ALIGN) > 1 && address % (how & HOW_ALIGN) && !(how & HOW_QUIET)) {
        struct CheckFinding *finding = find(CHECK_MISALIGNED, site, 0, flags);
        if (finding) {
            finding->extent = place->extent;
            finding->offset = place->offset;
            finding->size = size;
            finding->value = how & HOW_ALIGN;
        }
        if (how & HOW_ATOMIC) return 0;
    }
    return 1;
}
