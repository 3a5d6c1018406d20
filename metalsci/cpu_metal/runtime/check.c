// What instrumented kernels call: every access to memory, every barrier, every value that may be wrong.
//
// Of each granule of memory the shadow keeps the last write and two reads, by different threads: who, where in the source and
// when. Time is counted by clocks, one for each kind of memory, that go on at each dispatch, group and barrier that orders
// that memory. Two accesses by different threads are in order when a clock went on between them that both threads share.
#include "check.h"
#include "memory.h"
#include "platform.h"

enum Space { SPACE_DEVICE, SPACE_THREADGROUP, SPACES };
enum { MEM_DEVICE = 1, MEM_THREADGROUP = 2 };  // Metal's mem_flags
enum { THREADGROUP_GRANULE = 1 };

// What the compiler says of an access: sanitizer/accesses.py.
enum { HOW_ALIGN = 0xff, HOW_FLOAT = 0x100, HOW_HALF = 0x200, HOW_BFLOAT = 0x300, HOW_TYPE = 0x300 };
enum { HOW_ATOMIC = 0x400, HOW_STORE = 0x800, HOW_COPY = 0x1000, HOW_QUIET = 0x2000 };

typedef unsigned char u8;
typedef unsigned short u16;

struct Access {
    u32 clock;         // 0: never
    u32 simd_clock;
    u32 barriers;      // that the group had passed
    u32 group, site;
    u16 thread;
    u8 mask;           // bytes of the granule
    u8 flags;
};
enum { ACCESS_WRITE = 1, ACCESS_ATOMIC = 2 };

struct Cell { struct Access write, reads[2]; };

// Where an address lies.
struct Place {
    enum { NOWHERE, PRIVATE_MEMORY, KNOWN } kind;
    enum Space space;
    u32 extent;        // nearest
    long long offset;  // in it
};

static struct {
    struct Check *check;
    struct Region *regions;
    struct Extent *extents;
    u32 first_extent, end_extent, last_extent;  // of the dispatch; the one that was hit last
    u32 dispatch, unit;
    uptr image, image_end;
    u32 clock[SPACES], started[SPACES];         // now, and when what still counts began
    u32 simd_clock[SPACES][MAX_GROUP / SIMD_WIDTH];
    u32 simd_clocks, barriers;
    u32 halted;                                 // whether a thread was stopped, so that its work is missing
    u32 origin[MAX_GROUP], group_origin;        // sites that first made a value that is not finite
    u8 *threadgroup_written;
    struct Cell *threadgroup_cells;
    u8 zeros[1024], sink[1024];
} checker;

static void *shadow(struct Worker *worker, u64 size) {
    void *start = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) die(worker, FINDING_OUT_OF_MEMORY);
    return start;
}

// Sites are a kernel's, however often it is dispatched.
static int same_kernel(u32 dispatch) {
    const struct Dispatch *commands = (const struct Dispatch *)checker.check->commands;
    return commands[dispatch].run == commands[checker.dispatch].run;
}

// A new finding to be filled in, or 0 where there is one like it, or no room.
static struct CheckFinding *find(u32 kind, u32 site, u32 other_site, u32 flags) {
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

static void report(u32 kind, u32 flags, u32 site, const struct Place *place, u32 size) {
    struct CheckFinding *finding = find(kind, site, 0, flags);
    if (!finding) return;
    finding->extent = place->extent;
    finding->offset = place->offset;
    finding->size = size;
}

static int within(const struct Extent *extent, uptr address, u32 size) {
    return address >= extent->start && address - extent->start + size <= extent->size;
}

// Of the dispatch's extents of one kind, the one that holds the bytes, or else the nearest.
static struct Place nearest(uptr address, u32 size, u32 kind, u64 reach) {
    struct Place place = {.kind = NOWHERE, .space = kind ? SPACE_THREADGROUP : SPACE_DEVICE, .extent = ~0u};
    u64 best = ~(u64)0;
    for (u32 i = checker.first_extent; i < checker.end_extent; ++i) {
        const struct Extent *extent = &checker.extents[i];
        if ((extent->flags & EXTENT_THREADGROUP) != kind) continue;
        const uptr end = extent->start + extent->size;
        const u64 away = within(extent, address, size) ? 0 : address < extent->start ? extent->start - address + 1
                         : address >= end ? address - end + 1 : 1;
        if (away < best && away <= reach) {
            best = away;
            place.kind = KNOWN;
            place.extent = i;
            place.offset = (long long)(address - extent->start);
        }
        if (!away) break;
    }
    return place;
}

static struct Place locate(uptr address, u32 size) {
    const uptr arena = (uptr)this_worker();
    if (address - arena < ARENA_SIZE) {
        const uptr offset = address - arena - THREADGROUP_OFFSET;
        if (offset < CHECKED_THREADGROUP_MEMORY) return nearest(offset, size, EXTENT_THREADGROUP, ~(u64)0);
        return (struct Place){.kind = PRIVATE_MEMORY};
    }
    if (checker.last_extent < checker.end_extent) {
        const struct Extent *extent = &checker.extents[checker.last_extent];
        if (within(extent, address, size)) {
            return (struct Place){KNOWN, SPACE_DEVICE, checker.last_extent, (long long)(address - extent->start)};
        }
    }
    if (address >= checker.image && address < checker.image_end) return (struct Place){.kind = PRIVATE_MEMORY};
    const struct Place place = nearest(address, size, 0, memory_guard());
    if (place.kind == KNOWN) checker.last_extent = place.extent;
    return place;
}

// Whether the access may go on; reports why not.
static int allowed(const struct Place *place, uptr address, u32 size, u32 how, u32 site, u32 writes) {
    const u32 flags = (writes ? FOUND_WRITE : 0) | (how & HOW_ATOMIC ? FOUND_ATOMIC : 0);
    u32 kind = 0;
    if (place->kind == NOWHERE) {
        kind = CHECK_WILD;
    } else {
        const struct Extent *extent = &checker.extents[place->extent];
        if (place->offset < 0 || (u64)place->offset + size > extent->size) kind = CHECK_OUT_OF_BOUNDS;
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

static u32 own_simd_clock(enum Space space) { return checker.simd_clock[space][this_worker()->current / SIMD_WIDTH]; }

// Whether nothing orders an earlier access before one that is made now.
static int unordered(const struct Access *earlier, u32 flags, u8 mask, enum Space space) {
    if (earlier->clock < checker.started[space] || !earlier->clock || !(earlier->mask & mask)) return 0;
    if (earlier->flags & flags & ACCESS_ATOMIC) return 0;
    if (earlier->group != checker.unit) return 1;
    const u32 thread = this_worker()->current;
    if (earlier->thread == thread || earlier->clock != checker.clock[space]) return 0;
    return earlier->thread / SIMD_WIDTH != thread / SIMD_WIDTH || earlier->simd_clock == own_simd_clock(space);
}

static void race(const struct Access *earlier, u32 flags, u32 site, const struct Place *place, u32 size) {
    u32 kinds = (flags & ACCESS_WRITE ? FOUND_WRITE : 0) | (flags & ACCESS_ATOMIC ? FOUND_ATOMIC : 0);
    kinds |= (earlier->flags & ACCESS_WRITE ? FOUND_OTHER_WRITE : 0);
    kinds |= (earlier->flags & ACCESS_ATOMIC ? FOUND_OTHER_ATOMIC : 0);
    if (earlier->group != checker.unit) kinds |= FOUND_GROUPS;
    else if (earlier->barriers != checker.barriers) kinds |= FOUND_BARRIER;
    struct CheckFinding *finding = find(CHECK_RACE, site, earlier->site, kinds);
    if (!finding) return;
    finding->extent = place->extent;
    finding->offset = place->offset;
    finding->size = size;
    finding->other_thread = earlier->thread;
    finding->other_group = earlier->group;
}

// What shadow memory knows of a place.
struct ShadowOf { struct Cell *cells; u8 *written; u64 first; u32 granule; };

static struct ShadowOf shadow_of(const struct Place *place) {
    const struct Extent *extent = &checker.extents[place->extent];
    const u64 first = extent->origin + (u64)place->offset;
    if (place->space == SPACE_THREADGROUP) {
        return (struct ShadowOf){checker.threadgroup_cells, checker.threadgroup_written, first, THREADGROUP_GRANULE};
    }
    struct Region *region = &checker.regions[extent->region];
    if (!region->cells) {
        region->cells = (uptr)shadow(this_worker(), ((region->size >> region->granule) + 1) * sizeof(struct Cell));
        if (!region->initialised) region->written = (uptr)shadow(this_worker(), region->size);
    }
    return (struct ShadowOf){(struct Cell *)region->cells, (u8 *)region->written, first, region->granule};
}

// Whether a read can be forgotten for one that is made now: whatever is in conflict with it from here on, is so with this.
static int superseded(const struct Access *read, const struct Access *now, enum Space space) {
    if (read->clock < checker.started[space]) return 1;
    return read->group == now->group && read->clock != now->clock;
}

static void remember_read(struct Cell *cell, const struct Access *now, enum Space space) {
    struct Access *reads = cell->reads;
    const int mine = reads[0].thread == now->thread && reads[0].group == now->group && reads[0].clock == now->clock;
    if (mine) {
        const u8 mask = reads[0].mask;
        reads[0] = *now;
        reads[0].mask |= mask;
    } else if (superseded(&reads[0], now, space)) {
        reads[0] = *now;
        if (superseded(&reads[1], now, space)) reads[1].clock = 0;
    } else {
        reads[1] = *now;
    }
}

static void remember_write(struct Cell *cell, const struct Access *now) {
    const struct Access *last = &cell->write;
    const int mine = last->thread == now->thread && last->group == now->group && last->clock == now->clock;
    const u8 mask = mine && last->flags == now->flags ? last->mask : 0;
    cell->write = *now;
    cell->write.mask |= mask;
}

// Notes an access to bytes that may be accessed, and reports what it is in conflict with. `changes`: whether a write leaves
// other bytes there than it finds; two threads that write the same are no trouble.
static void note(const struct Place *place, u32 size, u32 flags, u32 site, int changes) {
    const struct ShadowOf shadow = shadow_of(place);
    const enum Space space = place->space;
    const struct Worker *worker = this_worker();
    struct Access now = {checker.clock[space], own_simd_clock(space), checker.barriers, checker.unit, site, (u16)worker->current,
                         0, (u8)flags};
    int told = 0;
    for (u64 byte = shadow.first, end = byte + size; byte < end;) {
        const u64 granule = byte >> shadow.granule, next = (granule + 1) << shadow.granule;
        const u64 last = next < end ? next : end;
        const u32 low = (u32)(byte - (granule << shadow.granule)), count = (u32)(last - byte);
        now.mask = (u8)((((u32)1 << count) - 1) << low);
        struct Cell *cell = &shadow.cells[granule];
        const struct Access *conflict = 0;
        const int same = flags == ACCESS_WRITE && cell->write.flags == ACCESS_WRITE && !changes;
        if (!same && unordered(&cell->write, flags, now.mask, space)) conflict = &cell->write;
        for (int i = 0; i < 2 && !conflict && flags & ACCESS_WRITE; ++i) {
            if (unordered(&cell->reads[i], flags, now.mask, space)) conflict = &cell->reads[i];
        }
        if (conflict && !told) {
            race(conflict, flags, site, place, size);
            told = 1;
        }
        if (flags & ACCESS_WRITE) remember_write(cell, &now);
        else remember_read(cell, &now, space);
        byte = last;
    }
}

static void check_written(const struct Place *place, u32 size, u32 how, u32 site) {
    const struct ShadowOf shadow = shadow_of(place);
    if (!shadow.written || checker.halted) return;
    u32 missing = 0, first = 0;
    for (u32 i = size; i-- > 0;) {
        if (!shadow.written[shadow.first + i]) {
            ++missing;
            first = i;
        }
    }
    // A copy of a whole struct may take its padding along.
    if (!missing || (how & HOW_COPY && missing < size)) return;
    struct Place where = *place;
    where.offset += first;
    report(CHECK_UNINITIALISED, how & HOW_ATOMIC ? FOUND_ATOMIC : 0, site, &where, size - first);
}

static void mark_written(const struct Place *place, u32 size) {
    const struct ShadowOf shadow = shadow_of(place);
    if (!shadow.written) return;
    for (u32 i = 0; i < size; ++i) shadow.written[shadow.first + i] = 1;
}

static int not_finite(const u8 *value, u32 size, u32 type, u64 *value_kind) {
    const u32 step = type == HOW_FLOAT ? 4 : 2;
    const u32 exponent = type == HOW_FLOAT ? 0x7f800000 : type == HOW_HALF ? 0x7c00 : 0x7f80;
    for (u32 at = 0; at + step <= size; at += step) {
        u32 word = 0;
        for (u32 byte = 0; byte < step; ++byte) word |= (u32)value[at + byte] << (8 * byte);
        if ((word & exponent) == exponent) {
            const int negative = word >> (8 * step - 1) & 1;
            *value_kind = word & (exponent ^ (type == HOW_FLOAT ? 0x7fffffff : 0x7fff)) ? VALUE_NAN
                          : negative                                                   ? VALUE_NEGATIVE_INFINITY
                                                                                       : VALUE_INFINITY;
            return 1;
        }
    }
    return 0;
}

// A value that is not finite leaves for memory that the host sees.
static void check_finite(const struct Place *place, const u8 *value, u32 size, u32 how, u32 site) {
    const struct Worker *worker = this_worker();
    const u32 own = checker.origin[worker->current], origin = own ? own : checker.group_origin;
    u64 value_kind;
    if (!origin || !(how & HOW_TYPE) || place->space != SPACE_DEVICE) return;
    if (!not_finite(value, size, how & HOW_TYPE, &value_kind)) return;
    struct CheckFinding *finding = find(CHECK_NON_FINITE, origin, site, 0);
    if (!finding) return;
    finding->extent = place->extent;
    finding->offset = place->offset;
    finding->size = size;
    finding->value = value_kind;
}

// Where to read from instead of `address`: there, or zeros.
__attribute__((visibility("default"))) const void *metal_read(uptr address, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size);
    if (place.kind == PRIVATE_MEMORY) return (const void *)address;
    if (!allowed(&place, address, size, how, site, 0)) return checker.zeros;
    if (how & HOW_QUIET) return (const void *)address;
    check_written(&place, size, how, site);
    note(&place, size, how & HOW_ATOMIC ? ACCESS_ATOMIC : 0, site, 0);
    return (const void *)address;
}

__attribute__((visibility("default"))) void metal_write(uptr address, const u8 *value, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size);
    u8 *target = (u8 *)address;
    if (place.kind != PRIVATE_MEMORY) {
        if (!allowed(&place, address, size, how, site, 1)) return;
        int changes = 0;
        for (u32 i = 0; i < size; ++i) changes |= target[i] != value[i];
        note(&place, size, ACCESS_WRITE, site, changes);
        mark_written(&place, size);
        check_finite(&place, value, size, how, site);
    }
    for (u32 i = 0; i < size; ++i) target[i] = value[i];
}

// Where to carry out an atomic operation instead of at `address`: there, or nowhere.
__attribute__((visibility("default"))) void *metal_atomic(uptr address, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size);
    if (place.kind == PRIVATE_MEMORY) return (void *)address;
    if (!allowed(&place, address, size, how, site, 1)) return checker.sink;
    if (!(how & HOW_STORE)) check_written(&place, size, how, site);
    note(&place, size, ACCESS_ATOMIC | ACCESS_WRITE, site, 1);
    mark_written(&place, size);
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

__attribute__((visibility("default"))) void metal_divided(int by_zero, u32 site) {
    if (by_zero) find(CHECK_DIVISION, site, 0, 0);
}

// `made`: a value that is not finite has come of values that are.
__attribute__((visibility("default"))) void metal_made(int made, u32 site) {
    if (!made) return;
    u32 *origin = &checker.origin[this_worker()->current];
    if (!*origin) *origin = site;
    if (!checker.group_origin) checker.group_origin = site;
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

void check_simdgroup_barrier(struct Worker *worker, u32 flags) {
    const u32 simdgroup = worker->current / SIMD_WIDTH;
    ++checker.simd_clocks;
    if (flags & MEM_DEVICE) checker.simd_clock[SPACE_DEVICE][simdgroup] = checker.simd_clocks;
    if (flags & MEM_THREADGROUP) checker.simd_clock[SPACE_THREADGROUP][simdgroup] = checker.simd_clocks;
}

static void begin_group(u32 unit) {
    checker.unit = unit;
    advance(SPACE_DEVICE);
    advance(SPACE_THREADGROUP);
    checker.started[SPACE_THREADGROUP] = checker.clock[SPACE_THREADGROUP];
    checker.barriers = 0;
    checker.group_origin = 0;
    for (u32 i = 0; i < MAX_GROUP; ++i) checker.origin[i] = 0;
    for (u32 i = checker.first_extent; i < checker.end_extent; ++i) {
        const struct Extent *extent = &checker.extents[i];
        if (!(extent->flags & EXTENT_THREADGROUP)) continue;
        for (u64 byte = 0; byte < extent->size; ++byte) checker.threadgroup_written[extent->origin + byte] = 0;
    }
}

static void begin_dispatch(u32 index) {
    const u32 extents = checker.check->extent_count;
    checker.dispatch = index;
    checker.first_extent = checker.end_extent;
    while (checker.end_extent < extents && checker.extents[checker.end_extent].dispatch == index) ++checker.end_extent;
    checker.last_extent = ~0u;
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
    worker->commands = commands;
    worker->status = status;
    worker->dispatch = commands;
    if (!checker.threadgroup_cells) {
        if (mprotect((char *)worker + THREADGROUP_OFFSET, CHECKED_THREADGROUP_MEMORY, PROT_READ | PROT_WRITE)) {
            die(worker, FINDING_OUT_OF_MEMORY);
        }
        const u64 cells = (CHECKED_THREADGROUP_MEMORY >> THREADGROUP_GRANULE) + 1;
        checker.threadgroup_written = shadow(worker, CHECKED_THREADGROUP_MEMORY);
        checker.threadgroup_cells = shadow(worker, cells * sizeof(struct Cell));
    }
    worker->checked = 1;
    for (u32 index = 0; index < check->count; ++index) {
        worker->dispatch = &commands[index];
        status->finished = index;
        begin_dispatch(index);
        for (u32 unit = 0; unit < worker->dispatch->units; ++unit) {
            begin_group(unit);
            run_group(worker, unit);
        }
    }
    status->finished = check->count;
    worker->checked = 0;
    worker->dispatch = 0;
    for (u32 i = 0; i < check->region_count; ++i) {
        struct Region *region = &checker.regions[i];
        if (region->cells) munmap((void *)region->cells, ((region->size >> region->granule) + 1) * sizeof(struct Cell));
        if (region->written) munmap((void *)region->written, region->size);
    }
}
