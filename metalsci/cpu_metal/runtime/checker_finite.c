// Where values stopped being finite. Each thread keeps where it first made an infinity and a NaN; what is read from other
// threads brings their place.
#include "checker.h"

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

void bring(u32 origin, int value) {
    struct Origins *origins = own_origins();
    u32 *own = value == VALUE_NAN ? &origins->nan : &origins->infinity;
    if (origin && value >= 0 && !*own) *own = origin;
}

static void report_non_finite(const struct Place *place, u32 at, u32 size, int value, u32 site) {
    const u32 origin = origin_of(value);
    const u32 flags = origin & OF_INFINITIES ? FOUND_OF_INFINITIES : 0;
    struct CheckFinding *finding = origin ? find(CHECK_NON_FINITE, origin & ~OF_INFINITIES, site, flags) : 0;
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
void check_finite(const struct Place *place, const u8 *value, u32 size, u32 how, u32 site) {
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
void check_brought(const struct Place *place, uptr address, u32 size, u32 how) {
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
