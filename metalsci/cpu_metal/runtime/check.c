// What instrumented kernels call: every access to memory, every barrier, every value that may be wrong.
//
// Of each granule of memory the shadow keeps the last write and two reads, by different threads: who, where in the source and
// when. Time is counted by clocks, one for each kind of memory, that go on at each dispatch, group and barrier that orders
// that memory. Two accesses by different threads are in order when a clock went on between them that both threads share.
//
// Of values that are not finite each thread keeps where it first made one; what is read from other threads brings their place.
#include "check.h"
#include "memory.h"
#include "platform.h"

enum Space { SPACE_DEVICE, SPACE_THREADGROUP, SPACES };
enum { MEM_DEVICE = 1, MEM_THREADGROUP = 2 };  // Metal's mem_flags
enum { THREADGROUP_GRANULE = 1, RECENT = 256 };
#define UNWATCHED ((uptr)1)  // in place of the shadow of a region that there is no memory for

// What the compiler says of an access: sanitizer/accesses.py.
enum { HOW_ALIGN = 0xff, HOW_FLOAT = 0x100, HOW_HALF = 0x200, HOW_BFLOAT = 0x300, HOW_TYPE = 0x300 };
enum { HOW_ATOMIC = 0x400, HOW_STORE = 0x800, HOW_COPY = 0x1000, HOW_QUIET = 0x2000 };

typedef unsigned char u8;
typedef unsigned short u16;

struct Access {
    u32 clock;         // 0: never
    u32 simd_clock;    // of a read: how often the simdgroup's lanes were released
    u32 barriers;      // that the group had passed
    u32 group, site;
    u16 thread;
    u8 mask;           // bytes of the granule
    u8 flags;
};
// ACCESS_SILENT: a write that left what was there. Whoever reads or writes the same meets no trouble.
enum { ACCESS_WRITE = 1, ACCESS_ATOMIC = 2, ACCESS_SILENT = 4 };

struct Cell { struct Access write, reads[2]; };

// Where a thread first made an infinity and a NaN, as sites: 0 where it has not.
struct Origins { u32 infinity, nan; };

// Where an address lies.
struct Place {
    enum { NOWHERE, OTHER_STACK, PRIVATE_MEMORY, EXCHANGED, KNOWN } kind;
    enum Space space;
    u32 extent;        // nearest
    long long offset;  // in it
};

static struct {
    struct Check *check;
    struct Region *regions;
    struct Extent *extents;
    u32 first_extent, end_extent;               // of the dispatch
    u32 recent[RECENT];                         // by site, the extent that was hit last
    u32 dispatch, unit;
    uptr image, image_end;
    u32 clock[SPACES], started[SPACES];         // now, and when what still counts began
    u32 simd_clock[SPACES][MAX_GROUP / SIMD_WIDTH];
    u32 barriers;
    u32 halted;                                 // whether a thread was stopped, so that its work is missing
    u32 made;                                   // whether a thread of the group has made a value that is not finite
    struct Origins origins[MAX_GROUP];
    u8 *threadgroup_written;
    u32 *threadgroup_origins;                   // of values there that are not finite, a site for each granule
    struct Cell *threadgroup_cells;
    u8 zeros[1024], sink[1024];
} checker;

// 0 where there is no memory for it.
static void *shadow(u64 size) {
    void *start = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? 0 : start;
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

static struct Place locate(uptr address, u32 size, u32 site) {
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
static int allowed(const struct Place *place, uptr address, u32 size, u32 how, u32 site, u32 writes) {
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

static u32 released(void) {
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

// What shadow memory knows of a place.
struct ShadowOf { struct Cell *cells; u8 *written; u64 first; u32 granule; };

static u64 cells_size(const struct Region *region) { return ((region->size >> region->granule) + 1) * sizeof(struct Cell); }

static void give_back(struct Region *region) {
    if (region->cells && region->cells != UNWATCHED) munmap((void *)region->cells, cells_size(region));
    if (region->written) munmap((void *)region->written, region->size);
    region->cells = region->written = 0;
}

static struct ShadowOf shadow_of(const struct Place *place, u32 site) {
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
static void note(const struct Place *place, u32 size, u32 flags, u32 site) {
    const struct ShadowOf shadow = shadow_of(place, site);
    const enum Space space = place->space;
    const struct Worker *worker = this_worker();
    if (!shadow.cells) return;
    struct Access now = {checker.clock[space], own_simd_clock(space, flags & ACCESS_WRITE), checker.barriers, checker.unit, site, (u16)worker->current,
                         0, (u8)flags};
    int told = 0;
    for (u64 byte = shadow.first, end = byte + size; byte < end;) {
        const u64 granule = byte >> shadow.granule, next = (granule + 1) << shadow.granule;
        const u64 last = next < end ? next : end;
        const u32 low = (u32)(byte - (granule << shadow.granule)), count = (u32)(last - byte);
        now.mask = (u8)((((u32)1 << count) - 1) << low);
        struct Cell *cell = &shadow.cells[granule];
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

static void check_written(const struct Place *place, u32 size, u32 how, u32 site) {
    const struct ShadowOf shadow = shadow_of(place, site);
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

// Whether a write leaves what was there, and something was.
static int silent(const struct Place *place, const u8 *target, const u8 *value, u32 size, u32 site) {
    const struct ShadowOf shadow = shadow_of(place, site);
    for (u32 i = 0; i < size; ++i) {
        if (target[i] != value[i] || (shadow.written && !shadow.written[shadow.first + i])) return 0;
    }
    return 1;
}

static void mark_written(const struct Place *place, u32 size, u32 site) {
    const struct ShadowOf shadow = shadow_of(place, site);
    if (!shadow.written) return;
    for (u32 i = 0; i < size; ++i) shadow.written[shadow.first + i] = 1;
}

// Whether and how a number is not finite: a value of FoundValue, or -1.
static int not_finite(const u8 *number, u32 type) {
    const u32 bytes = type == HOW_FLOAT ? 4 : 2;
    const u32 exponent = type == HOW_FLOAT ? 0x7f800000 : type == HOW_HALF ? 0x7c00 : 0x7f80;
    u32 word = 0;
    for (u32 byte = 0; byte < bytes; ++byte) word |= (u32)number[byte] << (8 * byte);
    const u32 sign = (u32)1 << (8 * bytes - 1);
    if ((word & exponent) != exponent) return -1;
    return word & (sign - 1) & ~exponent ? VALUE_NAN : word & sign ? VALUE_NEGATIVE_INFINITY : VALUE_INFINITY;
}

static struct Origins *own_origins(void) { return &checker.origins[this_worker()->current]; }

// Where a number that the running thread has may come from. An infinity can become a NaN, a NaN stays one.
static u32 origin_of(int value) {
    const struct Origins *origins = own_origins();
    return value == VALUE_NAN && origins->nan ? origins->nan : value >= 0 ? origins->infinity : 0;
}

static void bring(u32 origin, int value) {
    struct Origins *origins = own_origins();
    u32 *own = value == VALUE_NAN ? &origins->nan : &origins->infinity;
    if (origin && value >= 0 && !*own) *own = origin;
}

static void report_non_finite(const struct Place *place, u32 at, u32 size, int value, u32 site) {
    const u32 origin = origin_of(value);
    struct CheckFinding *finding = origin ? find(CHECK_NON_FINITE, origin, site, 0) : 0;
    if (!finding) return;
    finding->extent = place->extent;
    finding->offset = place->offset + at;
    finding->size = size;
    finding->value = (u64)value;
}

// Of which type the numbers are that are read or written. A copy to or from threadgroup memory may well be of floats.
static u32 numbers(u32 how, const struct Place *place) {
    return how & HOW_COPY && place->space == SPACE_THREADGROUP ? HOW_FLOAT : how & HOW_TYPE;
}

// Numbers that are stored. One that is not finite either leaves for memory that the host sees, or waits in threadgroup memory
// for another thread.
static void check_finite(const struct Place *place, const u8 *value, u32 size, u32 how, u32 site) {
    const u32 type = numbers(how, place), step = type == HOW_FLOAT ? 4 : 2;
    if (!checker.made || !type) return;
    for (u32 at = 0; at + step <= size; at += step) {
        const int found = not_finite(value + at, type);
        if (place->space == SPACE_THREADGROUP) {
            const u64 first = checker.extents[place->extent].origin + (u64)place->offset + at;
            checker.threadgroup_origins[first >> THREADGROUP_GRANULE] = origin_of(found);
        } else if (found >= 0) {
            report_non_finite(place, at, step, found, site);
            return;
        }
    }
}

// Numbers that are read from threadgroup memory, or that lanes have exchanged.
static void check_brought(const struct Place *place, uptr address, u32 size, u32 how) {
    const u32 type = numbers(how, place), step = type == HOW_FLOAT ? 4 : 2;
    if (!checker.made || !type || (place->kind == KNOWN && place->space != SPACE_THREADGROUP)) return;
    for (u32 at = 0; at + step <= size; at += step) {
        const int found = not_finite((const u8 *)address + at, type);
        if (found < 0) continue;
        u32 origin;
        if (place->kind == EXCHANGED) {
            const struct Worker *worker = this_worker();
            const u32 first = worker->current / SIMD_WIDTH * SIMD_WIDTH, posted = worker->threads[worker->current].size;
            const uptr values = (uptr)worker->simdgroups[first / SIMD_WIDTH].exchange.values;
            const u64 lane = posted ? (address - values) / posted : SIMD_WIDTH;
            const struct Origins *theirs = &checker.origins[first + lane % SIMD_WIDTH];
            origin = lane >= SIMD_WIDTH ? 0 : found == VALUE_NAN && theirs->nan ? theirs->nan : theirs->infinity;
        } else {
            const u64 first = checker.extents[place->extent].origin + (u64)place->offset + at;
            origin = checker.threadgroup_origins[first >> THREADGROUP_GRANULE];
        }
        bring(origin, found);
    }
}

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
    check_written(&place, size, how, site);
    note(&place, size, how & HOW_ATOMIC ? ACCESS_ATOMIC : 0, site);
    check_brought(&place, address, size, how);
    return (const void *)address;
}

__attribute__((visibility("default"))) void metal_write(uptr address, const u8 *value, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size, site);
    u8 *target = (u8 *)address;
    if (place.kind != PRIVATE_MEMORY) {
        if (!allowed(&place, address, size, how, site, 1)) return;
        note(&place, size, ACCESS_WRITE | (silent(&place, target, value, size, site) ? ACCESS_SILENT : 0), site);
        mark_written(&place, size, site);
        check_finite(&place, value, size, how, site);
    }
    for (u32 i = 0; i < size; ++i) target[i] = value[i];
}

// Where to carry out an atomic operation instead of at `address`: there, or nowhere.
__attribute__((visibility("default"))) void *metal_atomic(uptr address, u32 size, u32 how, u32 site) {
    const struct Place place = locate(address, size, site);
    if (place.kind == PRIVATE_MEMORY) return (void *)address;
    if (!allowed(&place, address, size, how, site, 1)) return checker.sink;
    if (!(how & HOW_STORE)) check_written(&place, size, how, site);
    note(&place, size, ACCESS_ATOMIC | ACCESS_WRITE, site);
    mark_written(&place, size, site);
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

// `made`: of finite values has come an infinity (1) or a NaN (3).
__attribute__((visibility("default"))) void metal_made(u32 made, u32 site) {
    if (!made) return;
    checker.made = 1;
    bring(site, made == 3 ? VALUE_NAN : VALUE_INFINITY);
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
    for (u32 i = 0; i < check->region_count; ++i) give_back(&checker.regions[i]);
}
