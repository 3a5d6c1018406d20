// Data races, and reads of what nobody has written.
//
// Of each granule of memory the shadow keeps the last write and two reads, by different threads: who, where in the source and
// when. Time is counted by clocks, one for each kind of memory, that go on at each dispatch, group and barrier that orders
// that memory. Two accesses by different threads are in order when a clock went on between them that both threads share.
#include "checker.h"
#include "platform.h"

#define UNWATCHED ((uptr)1)  // in place of the shadow of a region that there is no memory for

void *shadow(u64 size) {
    void *start = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? 0 : start;
}

u32 released(void) {
    const struct Worker *worker = this_worker();
    return worker->simdgroups[worker->current / SIMD_WIDTH].released;
}

// A lane that takes part in any function of the simdgroup has read what it had to read before: only writes need a barrier.
static u32 own_simd_clock(enum Space space, u32 writes) {
    return writes ? checker.simd_clock[space][this_worker()->current / SIMD_WIDTH] : released();
}

// Whether nothing orders an earlier access before one that is made now.
static int unordered(const struct Access *earlier, u32 flags, u8 mask, enum Space space) {
    if (earlier->clock < checker.started[space] || !earlier->clock || !(earlier->mask & mask)) return 0;
    if (earlier->flags & flags & ACCESS_ATOMIC) return 0;
    if (earlier->flags & ACCESS_SILENT && (flags & ACCESS_SILENT || !(flags & ACCESS_WRITE))) return 0;
    if (flags & ACCESS_SILENT && !(earlier->flags & ACCESS_ATOMIC)) return 0;
    if (earlier->group != checker.unit) return 1;
    const u32 thread = this_worker()->current;
    if (earlier->thread == thread || earlier->clock != checker.clock[space]) return 0;
    if (earlier->thread / SIMD_WIDTH != thread / SIMD_WIDTH) return 1;
    return earlier->simd_clock == own_simd_clock(space, earlier->flags & ACCESS_WRITE);
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

static u64 cells_size(const struct Region *region) { return ((region->size >> region->granule) + 1) * sizeof(struct Cell); }

void give_back(struct Region *region) {
    if (region->cells && region->cells != UNWATCHED) munmap((void *)region->cells, cells_size(region));
    if (region->written) munmap((void *)region->written, region->size);
    region->cells = region->written = 0;
}

struct ShadowOf shadow_of(const struct Place *place, u32 site) {
    const struct Extent *extent = &checker.extents[place->extent];
    const u64 first = extent->origin + (u64)place->offset;
    if (place->space == SPACE_THREADGROUP) {
        return (struct ShadowOf){checker.threadgroup_cells, checker.threadgroup_written, first, THREADGROUP_GRANULE};
    }
    struct Region *region = &checker.regions[extent->region];
    if (!region->cells) {
        region->cells = (uptr)shadow(cells_size(region));
        if (!region->initialised) region->written = (uptr)shadow(region->size);
        if (!region->cells || (!region->initialised && !region->written)) {
            report(CHECK_UNWATCHED, 0, site, place, 0);
            give_back(region);
            region->cells = UNWATCHED;
        }
    }
    if (region->cells == UNWATCHED) return (struct ShadowOf){0};
    return (struct ShadowOf){(struct Cell *)region->cells, (u8 *)region->written, first, region->granule};
}

// Whether a read can be forgotten for one that is made now: whatever is in conflict with it from here on, is so with this.
static int superseded(const struct Access *read, const struct Access *now, enum Space space) {
    if (read->clock < checker.started[space]) return 1;
    return read->group == now->group && read->clock != now->clock;
}

static int same_time(const struct Access *last, const struct Access *now) {
    return last->thread == now->thread && last->group == now->group && last->clock == now->clock;
}

// Keeps the thread's accesses of one time as one: the one that more of others' are in conflict with.
static void merge(struct Access *last, const struct Access *now) {
    const u8 mask = last->mask | now->mask, harmless = ACCESS_ATOMIC | ACCESS_SILENT;
    if (!(now->flags & harmless) || last->flags & harmless) *last = *now;
    last->mask = mask;
}

static void remember_read(struct Cell *cell, const struct Access *now, enum Space space) {
    struct Access *reads = cell->reads;
    if (same_time(&reads[0], now)) {
        merge(&reads[0], now);
    } else if (superseded(&reads[0], now, space)) {
        reads[0] = *now;
        if (superseded(&reads[1], now, space)) reads[1].clock = 0;
    } else {
        reads[1] = *now;
    }
}

static void remember_write(struct Cell *cell, const struct Access *now, enum Space space) {
    const struct Access *last = &cell->write;
    const int told = now->flags & ACCESS_SILENT && last->clock >= checker.started[space] && !(last->flags & ACCESS_SILENT);
    if (same_time(last, now)) merge(&cell->write, now);
    else if (!told || last->clock != now->clock) cell->write = *now;
}

// Notes an access to bytes that may be accessed, and reports what it is in conflict with.
void note(const struct Place *place, const struct ShadowOf *shadow, u32 size, u32 flags, u32 site) {
    const enum Space space = place->space;
    const struct Worker *worker = this_worker();
    if (!shadow->cells) return;
    struct Access now = {checker.clock[space], own_simd_clock(space, flags & ACCESS_WRITE), checker.barriers, checker.unit, site, (u16)worker->current,
                         0, (u8)flags};
    int told = 0;
    for (u64 byte = shadow->first, end = byte + size; byte < end;) {
        const u64 granule = byte >> shadow->granule, next = (granule + 1) << shadow->granule;
        const u64 last = next < end ? next : end;
        const u32 low = (u32)(byte - (granule << shadow->granule)), count = (u32)(last - byte);
        now.mask = (u8)((((u32)1 << count) - 1) << low);
        struct Cell *cell = &shadow->cells[granule];
        const struct Access *conflict = 0;
        if (unordered(&cell->write, flags, now.mask, space)) conflict = &cell->write;
        for (int i = 0; i < 2 && !conflict && flags & ACCESS_WRITE; ++i) {
            if (unordered(&cell->reads[i], flags, now.mask, space)) conflict = &cell->reads[i];
        }
        if (conflict && !told) {
            race(conflict, flags, site, place, size);
            told = 1;
        }
        if (flags & ACCESS_WRITE) remember_write(cell, &now, space);
        else remember_read(cell, &now, space);
        byte = last;
    }
}

// Whether all of the bytes have a value, four at a time.
static int all_written(const u8 *written, u32 size) {
    const u32 all = 0x01010101;
    u32 i = 0, four;
    for (; i + 4 <= size; i += 4) {
        __builtin_memcpy(&four, written + i, 4);
        if (four != all) return 0;
    }
    for (; i < size; ++i) {
        if (!written[i]) return 0;
    }
    return 1;
}

int check_written(const struct Place *place, const struct ShadowOf *shadow, u32 size, u32 how, u32 site) {
    if (!shadow->written || checker.halted || all_written(shadow->written + shadow->first, size)) return 0;
    u32 missing = 0, first = 0;
    for (u32 i = size; i-- > 0;) {
        if (!shadow->written[shadow->first + i]) {
            ++missing;
            first = i;
        }
    }
    // A copy of a whole struct may take its padding along.
    if (how & HOW_COPY && missing < size) return 0;
    struct Place where = *place;
    where.offset += first;
    report(CHECK_UNINITIALISED, how & HOW_ATOMIC ? FOUND_ATOMIC : 0, site, &where, size - first);
    return 1;
}

const void *undefined_read(const struct ShadowOf *shadow, uptr address, u32 size, int disturbed) {
    for (u32 i = 0; i < size; ++i) {
        const u8 undefined = disturbed ? undefined_byte(i, size) : 0;
        checker.other[i] = shadow->written[shadow->first + i] ? ((const u8 *)address)[i] : undefined;
    }
    return checker.other;
}

// Whether a write leaves what was there, and something was.
int silent(const struct ShadowOf *shadow, const u8 *target, const u8 *value, u32 size) {
    for (u32 i = 0; i < size; ++i) {
        if (target[i] != value[i]) return 0;
    }
    return !shadow->written || all_written(shadow->written + shadow->first, size);
}

void mark_written(const struct ShadowOf *shadow, u32 size) {
    if (!shadow->written) return;
    for (u32 i = 0; i < size; ++i) shadow->written[shadow->first + i] = 1;
}
