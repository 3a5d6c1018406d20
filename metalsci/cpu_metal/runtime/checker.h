// What the parts of the sanitizer's runtime share: check.c is what kernels and the scheduler call, checker_places.c finds the
// memory that an address belongs to, checker_order.c what is read too early or without order, checker_finite.c where values
// stopped being finite.
#ifndef METAL_CHECKER_H
#define METAL_CHECKER_H

#include "check.h"

enum Space { SPACE_DEVICE, SPACE_THREADGROUP, SPACES };
enum { THREADGROUP_GRANULE = 1, RECENT = 256 };

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

// Where a thread first made an infinity and a NaN, as sites: 0 where it has not. A NaN's may be marked as one OF_INFINITIES.
#define OF_INFINITIES 0x80000000
struct Origins { u32 infinity, nan; };

// Where an address lies.
struct Place {
    enum { NOWHERE, OTHER_STACK, PRIVATE_MEMORY, EXCHANGED, KNOWN } kind;
    enum Space space;
    u32 extent;        // nearest
    long long offset;  // in it
};

extern struct Checker {
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
    u8 zeros[1024], sink[1024], other[1024];
    u32 random;                                 // state of the generator of undefined values
} checker;

// Zeroed memory, 0 where there is none.
void *shadow(u64 size);
void give_back(struct Region *region);

// A new finding to be filled in, or 0 where there is one like it, or no room.
struct CheckFinding *find(u32 kind, u32 site, u32 other_site, u32 flags);
void report(u32 kind, u32 flags, u32 site, const struct Place *place, u32 size);

struct Place locate(uptr address, u32 size, u32 site);
// What shadow memory knows of a place: `cells` 0 where nobody watches, `written` 0 where everything had a value before.
struct ShadowOf { struct Cell *cells; u8 *written; u64 first; u32 granule; };
struct ShadowOf shadow_of(const struct Place *place, u32 site);
// Whether the access may go on; reports why not.
int allowed(const struct Place *place, uptr address, u32 size, u32 how, u32 site, u32 writes);

// How often the lanes of the running simdgroup were released.
u32 released(void);
// Notes an access to bytes that may be accessed, and reports what it is in conflict with.
void note(const struct Place *place, const struct ShadowOf *shadow, u32 size, u32 flags, u32 site);
// Reports a read of bytes that nobody has written. Returns whether there are any.
int check_written(const struct Place *place, const struct ShadowOf *shadow, u32 size, u32 how, u32 site);
// What is read in place of bytes that nobody has written, zeros or (`disturbed`) anything, and what there is of the others.
const void *undefined_read(const struct ShadowOf *shadow, uptr address, u32 size, int disturbed);
// Whether undefined values are to be other ones than the first time, and one of their bytes.
int disturbs(u32 site);
u8 undefined_byte(u32 at, u32 size);
// Whether a write leaves what was there, and something was.
int silent(const struct ShadowOf *shadow, const u8 *target, const u8 *value, u32 size);
void mark_written(const struct ShadowOf *shadow, u32 size);

// A value that is not finite, of enum FoundValue, has come to the running thread from the place `origin`.
void bring(u32 origin, int value);
// Numbers that are stored. One that is not finite either leaves for memory that the host sees, or waits in threadgroup memory
// for another thread.
void check_finite(const struct Place *place, const u8 *value, u32 size, u32 how, u32 site);
// Numbers that are read from threadgroup memory, or that lanes have exchanged.
void check_brought(const struct Place *place, uptr address, u32 size, u32 how);

#endif
