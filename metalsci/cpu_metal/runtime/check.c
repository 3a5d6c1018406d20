// What instrumented kernels call: every access to memory, every barrier, every value that may be wrong.
#include "checker.h"
#include "platform.h"

enum { MEM_DEVICE = 1, MEM_THREADGROUP = 2 };  // Metal's mem_flags

struct Checker checker;

// Where to read from instead of `address`: there, or zeros.
__attribute__((visibility("default"))) const void *metal_read(uptr address, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size, site);
    if (place.kind == PRIVATE_MEMORY) return (const void *)address;
    if (place.kind == EXCHANGED) {
        check_brought(&place, address, size, how);
        return (const void *)address;
    }
    if (!allowed(&place, address, size, how, site, 0)) return checker.zeros;
    if (how & HOW_QUIET) return (const void *)address;
    const struct ShadowOf shadow = shadow_of(&place, site);
    const int undefined = check_written(&place, &shadow, size, how, site);
    note(&place, &shadow, size, how & HOW_ATOMIC ? ACCESS_ATOMIC : 0, site);
    if (undefined) return undefined_read(&shadow, address, size, disturbs(site));
    if (checker.made) check_brought(&place, address, size, how);
    return (const void *)address;
}

__attribute__((visibility("default"))) void metal_write(uptr address, const u8 *value, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size, site);
    u8 *target = (u8 *)address;
    if (place.kind != PRIVATE_MEMORY) {
        if (!allowed(&place, address, size, how, site, 1)) return;
        const struct ShadowOf shadow = shadow_of(&place, site);
        note(&place, &shadow, size, ACCESS_WRITE | (silent(&shadow, target, value, size) ? ACCESS_SILENT : 0), site);
        mark_written(&shadow, size);
        if (checker.made) check_finite(&place, value, size, how, site);
    }
    for (u32 i = 0; i < size; ++i) target[i] = value[i];
}

// Where to carry out an atomic operation instead of at `address`: there, or nowhere.
__attribute__((visibility("default"))) void *metal_atomic(uptr address, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size, site);
    if (place.kind == PRIVATE_MEMORY) return (void *)address;
    if (!allowed(&place, address, size, how, site, 1)) return checker.sink;
    const struct ShadowOf shadow = shadow_of(&place, site);
    if (!(how & HOW_STORE)) check_written(&place, &shadow, size, how, site);
    note(&place, &shadow, size, ACCESS_ATOMIC | ACCESS_WRITE, site);
    mark_written(&shadow, size);
    return (void *)address;
}

__attribute__((visibility("default"))) void metal_copy(uptr to, uptr from, u64 size, u32 to_align, u32 from_align, u32 site) {
    const u32 part = sizeof checker.zeros;
    for (u64 done = 0; done < size; done += part) {
        const u32 now = (u32)(size - done < part ? size - done : part);
        const u8 *source = metal_read(from + done, now, HOW_COPY | from_align, site);
        metal_write(to + done, source, now, HOW_COPY | to_align, site);
    }
}

__attribute__((visibility("default"))) void metal_fill(uptr to, u32 byte, u64 size, u32 align, u32 site) {
    u8 value[256];
    for (u32 i = 0; i < sizeof value; ++i) value[i] = (u8)byte;
    for (u64 done = 0; done < size; done += sizeof value) {
        metal_write(to + done, value, (u32)(size - done < sizeof value ? size - done : sizeof value), align, site);
    }
}

// An index outside an array of known length. What would follow is undefined: the thread ends here.
__attribute__((visibility("default"))) void metal_out_of_bounds(long long index, u32 site) {
    struct CheckFinding *finding = find(CHECK_INDEX, site, 0, 0);
    if (finding) finding->offset = index;
    checker.halted = 1;
    end_thread(this_worker());
}

// An index into one of Metal's own arrays, which has `count` elements.
__attribute__((visibility("default"))) void metal_index(u64 index, u64 count, u32 site) {
    if (index >= count) metal_out_of_bounds((long long)index, site);
}

__attribute__((visibility("default"))) void metal_divided(int by_zero, u32 site) {
    if (by_zero) find(CHECK_DIVISION, site, 0, 0);
}

int disturbs(u32 site) {
    const u32 disturbed = checker.check->disturbed;
    return disturbed && (disturbed == EVERY_SITE || disturbed == site);
}

// `at`: the byte's place in a value of `size` bytes.
u8 undefined_byte(u32 at, u32 size) {
    // sanitizer/comparisons.py: a NaN of its own as a float, and as a half in its upper bytes
    static const u8 mark[] = {0x5b, 0xce, 0xd1, 0xff};
    if (checker.check->marked) return mark[(size == 2 ? at + 2 : at) % sizeof mark];
    checker.random ^= checker.random << 13;
    checker.random ^= checker.random >> 17;
    checker.random ^= checker.random << 5;
    return (u8)(checker.random >> 11);
}

// The lane whose value is read instead of `chosen`: behind the last one there is an undefined value for those that read from
// lane `place` of `width`, which is not active.
__attribute__((visibility("default"))) u32 metal_source(u32 place, u32 chosen, u32 width, u32 site) {
    struct Worker *worker = this_worker();
    const u32 lane = worker->current % SIMD_WIDTH, first = lane / width * width;
    if (place >= width || chosen == first + place) return chosen;
    struct CheckFinding *finding = find(CHECK_INACTIVE, site, 0, 0);
    if (finding) finding->offset = first + place;
    const u32 size = worker->threads[worker->current].size;
    u8 *values = (u8 *)worker->simdgroups[worker->current / SIMD_WIDTH].exchange.values;
    if (!disturbs(site) || (SIMD_WIDTH + 1) * size > SIMD_WIDTH * LARGEST_VALUE) return chosen;
    for (u32 i = 0; i < size; ++i) values[SIMD_WIDTH * size + i] = undefined_byte(i, size);
    return SIMD_WIDTH;
}

// A byte of a variable that has no value yet.
__attribute__((visibility("default"))) u32 metal_unset(u32 site) {
    find(CHECK_UNSET, site, 0, 0);
    if (!disturbs(site)) return 0;
    return checker.check->marked ? 0xfb : 0x5b;
}

// `made`: of finite values has come an infinity (1) or a NaN (3), or of infinities a NaN (5).
__attribute__((visibility("default"))) void metal_made(u32 made, u32 site) {
    if (!made) return;
    checker.made = 1;
    if (made == 5) bring(site | OF_INFINITIES, VALUE_NAN);
    else bring(site, made == 3 ? VALUE_NAN : VALUE_INFINITY);
}

// Where the kernel's own constants lie.
__attribute__((visibility("default"))) void metal_image(uptr start, uptr end) {
    checker.image = start;
    checker.image_end = end;
}

static void advance(enum Space space) { ++checker.clock[space]; }

void check_barrier(struct Worker *worker, u32 flags) {
    ++checker.barriers;
    if (flags & MEM_DEVICE) advance(SPACE_DEVICE);
    if (flags & MEM_THREADGROUP) advance(SPACE_THREADGROUP);
    u32 returned = MAX_GROUP;
    for (u32 i = worker->group.threads; i-- > 0;) {
        if (worker->threads[i].state == DONE) returned = i;
    }
    if (returned == MAX_GROUP || checker.halted) return;
    // One of them for each barrier will do: lines stand where other findings have sites.
    struct CheckFinding *finding = find(CHECK_RETURNED, worker->line, worker->column, 0);
    if (finding) finding->thread = returned;
}

void check_divergence(struct Worker *worker, u32 line) {
    struct CheckFinding *finding = find(CHECK_RETURNED, line, worker->line, FOUND_APART);
    u32 waiting = 0;
    while (worker->threads[waiting].state != AT_BARRIER) ++waiting;
    if (finding) {
        finding->other_thread = waiting;
        finding->other_group = checker.unit;
    }
    checker.halted = 1;
    for (u32 i = 0; i < worker->group.threads; ++i) worker->threads[i].state = DONE;
    worker->waiting = 0;
    switch_stack(&worker->threads[worker->current].stack, worker->scheduler);
    __builtin_unreachable();
}

void check_simdgroup_barrier(struct Worker *worker, u32 flags) {
    const u32 simdgroup = worker->current / SIMD_WIDTH;
    if (flags & MEM_DEVICE) checker.simd_clock[SPACE_DEVICE][simdgroup] = released();
    if (flags & MEM_THREADGROUP) checker.simd_clock[SPACE_THREADGROUP][simdgroup] = released();
}

static void begin_group(u32 unit) {
    checker.unit = unit;
    advance(SPACE_DEVICE);
    advance(SPACE_THREADGROUP);
    checker.started[SPACE_THREADGROUP] = checker.clock[SPACE_THREADGROUP];
    checker.barriers = 0;
    const u32 made = checker.made;
    checker.made = 0;
    for (u32 i = 0; made && i < MAX_GROUP; ++i) checker.origins[i] = (struct Origins){0, 0};
    for (u32 i = checker.first_extent; i < checker.end_extent; ++i) {
        const struct Extent *extent = &checker.extents[i];
        if (!(extent->flags & EXTENT_THREADGROUP)) continue;
        for (u64 byte = 0; byte < extent->size; ++byte) {
            checker.threadgroup_written[extent->origin + byte] = 0;
            if (made) checker.threadgroup_origins[(extent->origin + byte) >> THREADGROUP_GRANULE] = 0;
        }
    }
}

static void begin_dispatch(u32 index) {
    const u32 extents = checker.check->extent_count;
    checker.dispatch = index;
    checker.first_extent = checker.end_extent;
    while (checker.end_extent < extents && checker.extents[checker.end_extent].dispatch == index) ++checker.end_extent;
    for (u32 i = 0; i < RECENT; ++i) checker.recent[i] = ~0u;
    advance(SPACE_DEVICE);
    checker.started[SPACE_DEVICE] = checker.clock[SPACE_DEVICE];
}

void check_commands(struct Worker *worker, struct Check *check, struct Status *status) {
    const struct Dispatch *commands = (const struct Dispatch *)check->commands;
    checker.check = check;
    checker.regions = (struct Region *)((char *)check + check->regions);
    checker.extents = (struct Extent *)((char *)check + check->extents);
    checker.first_extent = checker.end_extent = 0;
    checker.halted = 0;
    checker.random = 2463534242u;
    worker->commands = commands;
    worker->status = status;
    worker->dispatch = commands;
    if (!checker.threadgroup_cells) {
        if (mprotect((char *)worker + THREADGROUP_OFFSET, CHECKED_THREADGROUP_MEMORY, PROT_READ | PROT_WRITE)) {
            die(worker, FINDING_OUT_OF_MEMORY);
        }
        const u64 cells = (CHECKED_THREADGROUP_MEMORY >> THREADGROUP_GRANULE) + 1;
        checker.threadgroup_written = shadow(CHECKED_THREADGROUP_MEMORY);
        checker.threadgroup_origins = shadow(cells * sizeof(u32));
        checker.threadgroup_cells = shadow(cells * sizeof(struct Cell));
        if (!checker.threadgroup_written || !checker.threadgroup_origins || !checker.threadgroup_cells) {
            die(worker, FINDING_OUT_OF_MEMORY);
        }
    }
    worker->checked = 1;
    const u32 *groups = (const u32 *)((char *)check + check->groups);
    const u32 *group_counts = (const u32 *)((char *)check + check->group_counts);
    for (u32 index = 0; index < check->count; ++index) {
        worker->dispatch = &commands[index];
        status->finished = index;
        begin_dispatch(index);
        for (const u32 *end = groups + group_counts[index]; groups < end; ++groups) {
            begin_group(*groups);
            run_group(worker, *groups);
        }
    }
    status->finished = check->count;
    worker->checked = 0;
    worker->dispatch = 0;
    for (u32 i = 0; i < check->region_count; ++i) give_back(&checker.regions[i]);
}
