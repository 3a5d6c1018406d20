// What an access of a simdgroup costs: lines and sectors of device memory, misses of a small cache, turns of threadgroup
// memory's banks, lanes that want the same address at once.
#include "platform.h"
#include "profiled.h"

enum { LINE_SHIFT = 7, SECTOR_SHIFT = 5, BANKS = 32, BANK_SHIFT = 2, MAX_PARTS = 512, CACHE_LINES = 64 };
// A core's 8 KB, a quarter and a sixteenth of it, in lines of 128 bytes: a group shares the cache with others.
static const u32 CAPACITIES[PROFILE_CAPACITIES] = {4, 16, 64};
#define IMAGE_BASE ((u64)1 << 60)           // the program's own constants

static struct {
    u64 lines[CACHE_LINES];      // the most recent first; 0 for none
    u8 **touched;                // a bit for each line of each extent
    uptr touched_size;
} memory;

void memory_begin_group(void) {
    for (u32 i = 0; i < CACHE_LINES; ++i) memory.lines[i] = 0;
}

static uptr bitmap_size(const struct ProfileExtent *extent) { return ((extent->size >> LINE_SHIFT) + 16) / 8 + 1; }

int memory_begin(struct Worker *worker, struct Profile *profile) {
    (void)worker;
    const struct ProfileExtent *extents = (const struct ProfileExtent *)((char *)profile + profile->extents);
    uptr size = profile->extent_count * sizeof(u8 *) + 16;
    for (u32 i = 0; i < profile->extent_count; ++i) size += bitmap_size(&extents[i]);
    char *start = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) return 0;
    memory.touched = (u8 **)start;
    memory.touched_size = size;
    u8 *next = (u8 *)start + profile->extent_count * sizeof(u8 *);
    for (u32 i = 0; i < profile->extent_count; ++i) {
        memory.touched[i] = next;
        next += bitmap_size(&extents[i]);
    }
    return 1;
}

void memory_end(struct Profile *profile) {
    (void)profile;
    munmap((char *)memory.touched, memory.touched_size);
}

// Numbers without repetition, at most MAX_PARTS of them.
struct Set {
    u32 count;
    u64 items[MAX_PARTS];
};

static void put(struct Set *set, u64 item) {
    for (u32 i = set->count; i-- > 0;) {
        if (set->items[i] == item) return;
    }
    if (set->count < MAX_PARTS) set->items[set->count++] = item;
}

// How many lines more recent than this one are in the cache; CACHE_LINES where it is not there. It becomes the first.
static u32 distance(u64 line) {
    u32 at = 0;
    u64 moved = line + 1;
    for (; at < CACHE_LINES; ++at) {
        const u64 here = memory.lines[at];
        memory.lines[at] = moved;
        if (here == line + 1) break;
        moved = here;
    }
    return at;
}

static void touch_lines(struct ProfileSite *site, const struct Set *lines, struct Waits *waits) {
    const u32 level = site->kind == PROFILE_STORE ? 0 : (u32)1 << (site->level < 31 ? site->level : 31);
    waits->all |= level;  // nobody waits for a store
    for (u32 i = 0; i < lines->count; ++i) {
        const u32 away = distance(lines->items[i]);
        for (u32 capacity = 0; capacity < PROFILE_CAPACITIES; ++capacity) {
            if (away < CAPACITIES[capacity]) continue;
            ++site->misses[capacity];
            waits->misses[capacity] |= level;
        }
    }
}

// The extent that an address lies in; null for none.
static struct ProfileExtent *extent_of(struct Profile *profile, uptr address, u32 *index) {
    struct ProfileExtent *extents = (struct ProfileExtent *)((char *)profile + profile->extents);
    for (u32 i = 0; i < profile->extent_count; ++i) {
        if (address - extents[i].start < extents[i].size) {
            *index = i;
            return &extents[i];
        }
    }
    return 0;
}

static void mark(struct ProfileExtent *extent, u32 index, u64 offset) {
    u8 *byte = &memory.touched[index][offset >> LINE_SHIFT >> 3];
    const u8 bit = (u8)(1 << (offset >> LINE_SHIFT & 7));
    extent->unique += !(*byte & bit);
    *byte |= bit;
}

static void count_collisions(struct Touch *touch) {
    u32 most = 0;
    for (u32 i = 0; i < touch->count; ++i) {
        u32 same = 0;
        for (u32 k = 0; k < touch->count; ++k) same += touch->addresses[k] == touch->addresses[i];
        if (same > most) most = same;
    }
    touch->site->collisions += most;
}

static void count_turns(struct Touch *touch, uptr start) {
    static struct Set words;
    u32 turns[BANKS] = {0}, most = 0;
    words.count = 0;
    for (u32 i = 0; i < touch->count; ++i) {
        const u64 first = (touch->addresses[i] - start) >> BANK_SHIFT;
        const u64 last = (touch->addresses[i] - start + touch->site->bytes - 1) >> BANK_SHIFT;
        for (u64 word = first; word <= last; ++word) put(&words, word);
    }
    for (u32 i = 0; i < words.count; ++i) {
        if (++turns[words.items[i] % BANKS] > most) most = turns[words.items[i] % BANKS];
    }
    ++touch->site->near_issues;
    touch->site->near_lanes += touch->count;
    touch->site->turns += most;
}

static int count_lines(struct Profile *profile, struct Touch *touch, struct Waits *waits) {
    static struct Set lines, sectors;
    struct ProfileSite *site = touch->site;
    lines.count = sectors.count = 0;
    u32 index = 0;
    struct ProfileExtent *extent = 0;
    const uptr image = ((const struct Dispatch *)profile->dispatch)->run;
    int followed = 1;
    for (u32 i = 0; i < touch->count; ++i) {
        const uptr address = touch->addresses[i];
        if (!extent || address - extent->start >= extent->size) extent = extent_of(profile, address, &index);
        const u64 near_image = address - image + ((u64)64 << 20);
        if (!extent && near_image >= (u64)128 << 20) followed = 0;
        const u64 first = extent ? extent->base + (address - extent->start) : IMAGE_BASE + near_image;
        const u64 last = first + site->bytes - 1;
        for (u64 line = first >> LINE_SHIFT; line <= last >> LINE_SHIFT; ++line) put(&lines, line);
        for (u64 sector = first >> SECTOR_SHIFT; sector <= last >> SECTOR_SHIFT; ++sector) put(&sectors, sector);
        if (extent) mark(extent, index, address - extent->start);
    }
    ++site->issues;
    site->lanes += touch->count;
    site->lines += lines.count;
    site->sectors += sectors.count;
    touch_lines(site, &lines, waits);
    return followed;
}

enum Where { NEAR, OWN, FAR, PLACES };

// Where an address leads: one instruction of LLVM may choose between two spaces lane by lane, where a GPU has two.
static enum Where where(const struct Worker *worker, uptr address) {
    if (address - ((uptr)worker + THREADGROUP_OFFSET) < THREADGROUP_MEMORY) return NEAR;
    return worker_of(address) == worker ? OWN : FAR;
}

int memory_touch(struct Worker *worker, struct Profile *profile, struct Touch *touch, struct Waits *waits) {
    static struct Touch parts[PLACES];
    int followed = 1;
    if (touch->site->kind == PROFILE_ATOMIC) count_collisions(touch);
    for (u32 place = 0; place < PLACES; ++place) {
        parts[place].site = touch->site;
        parts[place].count = 0;
    }
    for (u32 i = 0; i < touch->count; ++i) {
        struct Touch *part = &parts[where(worker, touch->addresses[i])];
        part->addresses[part->count++] = touch->addresses[i];
    }
    if (parts[NEAR].count) count_turns(&parts[NEAR], (uptr)worker + THREADGROUP_OFFSET);
    if (parts[OWN].count) ++touch->site->own_issues;
    if (parts[FAR].count) followed = count_lines(profile, &parts[FAR], waits);
    return followed;
}
