/* SPDX-License-Identifier: MIT */
/*
 * Question: what may be read, written and fetched, in leaves of each type and size, at their first
 * bytes, at their last, and across their end into a neighbour of another type or size? What is
 * allowed reaches the right frame and marks it; what is not faults, and the fault says where and
 * why. Before that: is a leaf that was just made what the manual calls such a leaf, with A and D
 * clear?
 */
#include "oracle.h"

/*
 * The first bytes of each leaf are two RETs, and its last is one. The last three and the first two
 * next door are MOV AX and a RET: code that straddles. The rest differs from leaf to leaf.
 */
#define FIRST_CODE 0xc3c3ull
#define LAST_CODE  0xc3b8660000000000ull

static uint64_t first_word(const struct place *place)
{
    return (place->address * 0x9e3779b97f4a7c15ull | 1) << 16 | FIRST_CODE;
}

static uint64_t last_word(const struct place *place)
{
    return (place->address * 0xc2b2ae3d27d4eb4full >> 24 ^ 5) >> 3 | LAST_CODE;
}

static uint64_t end_of(const struct place *place)
{
    return place->address + place_size(place);
}

static bool has_frames(const struct place *place)
{
    return types[place->type].rights;
}

/* As memory; then it becomes what it is to be, and keeps its frames. */
static void lay(const struct place *place)
{
    struct place memory = { place->address, place->order, RAM_RW };

    place_set(&memory);
    host_plant(place->address, first_word(place));
    host_plant(end_of(place) - 8, last_word(place));
    place_set(place);
}

static void ask_entry(const struct place *place)
{
    uint64_t value = entry_value(place_entry(place));
    uint64_t marks = manual()->accessed | manual()->dirty;

    ABOUT(order_name(place->order), types[place->type].name, "as new");
    if (!has_frames(place)) {
        ask("present bits", 0, value & 7);
        ask("address", 0, value & 0x000ffffffffff000ull);
        return;
    }
    ask_marks("A and D", place, UNMARKED);
    ask("order", place->order, host_view(FRAME(place->address)).order);
    ask("entry", manual()->leaf(place), value & ENTRY_HARDWARE & ~marks);
}

/* ---- one access ----------------------------------------------------------------------------- */

enum where { FIRST, LAST, ACROSS, WHERES };
static const char *const where_names[WHERES] = { "at its start, beside", "at its end, beside",
                                                 "across into" };

static uint64_t where_address(const struct place *own, enum access access, enum where where)
{
    if (where == FIRST)
        return own->address;
    if (access == FETCH)
        return end_of(own) - (where == LAST ? 1 : 3);
    return end_of(own) - (where == LAST ? 8 : 4);
}

static uint64_t where_value(const struct place *own, const struct place *next, enum where where)
{
    if (where == FIRST)
        return first_word(own);
    return where == LAST ? last_word(own) : last_word(own) >> 32 | first_word(next) << 32;
}

static bool refuses(const struct place *place, enum access access)
{
    return !(types[place->type].rights & access);
}

static void ask_refused(const struct outcome *outcome, const struct place *by, uint64_t address,
                        enum access access)
{
    struct fault fault = { .address = address,
                           .access = access,
                           .rights = types[by->type].rights,
                           .present = has_frames(by) };

    ask_fault(outcome, &fault);
    if (has_frames(by))
        ask("D of what refused", false, !!(entry_value(place_entry(by)) & manual()->dirty));
}

static bool host_reads(const struct place *place)
{
    return has_frames(place) && place->type != MMIO;
}

/* What is there after a read or a write must be what was there before, or what was written. */
static void ask_host(const struct place *own, const struct place *next, enum where where,
                     const struct outcome *outcome, enum access access)
{
    bool written = access == WRITE && !outcome->faulted;

    if (access != FETCH && host_reads(own) && (where != ACROSS || host_reads(next)))
        ask("the host's view", written ? WRITTEN : where_value(own, next, where),
            host_peek(where_address(own, access, where)));
}

static void ask_done(const struct place *own, const struct place *next, enum access access,
                     enum where where)
{
    enum marks marks = access == WRITE ? MARKED_DIRTY : MARKED;

    ask_marks("A and D", own, marks);
    if (has_frames(next))
        ask_marks("A and D next door", next, where == ACROSS ? marks : UNMARKED);
}

/* The guest can, for it could write before; the host can't write to what is called a device. */
static void store(uint64_t address, uint64_t value)
{
    *(volatile uint64_t *)(VIEW + address) = value;
}

static void put_back(const struct place *own, const struct place *next, enum where where)
{
    if (where == FIRST)
        store(own->address, first_word(own));
    else
        store(end_of(own) - 8, last_word(own));
    if (where == ACROSS)
        store(next->address, first_word(next));
}

static void ask_access(const struct place *own, const struct place *next, enum access access,
                       enum where where)
{
    uint64_t address = where_address(own, access, where);
    bool next_refuses = where == ACROSS && refuses(next, access);
    struct outcome outcome;

    ABOUT(order_name(own->order), types[own->type].name, access_name(access), where_names[where],
          order_name(next->order), types[next->type].name);
    clear_marks(own);
    clear_marks(next);
    outcome = access_at(access, VIEW + address);
    ask_host(own, next, where, &outcome, access);
    if (refuses(own, access)) {
        ask_refused(&outcome, own, address, access);
    } else if (next_refuses) {
        ask_refused(&outcome, next, next->address, access);
    } else if (ask_no_fault(&outcome)) {
        if (access == READ)
            ask("value", where_value(own, next, where), outcome.value);
        ask_done(own, next, access, where);
        if (access == WRITE)
            put_back(own, next, where);
    }
}

/* Where both sides refuse, the manuals don't say which is blamed. */
void ask_accesses(const struct place *own, const struct place *next)
{
    for (unsigned i = 0; i < ACCESSES; i++)
        for (enum where where = FIRST; where < WHERES; where++)
            if (where != ACROSS || !refuses(own, accesses[i]) || !refuses(next, accesses[i]))
                ask_access(own, next, accesses[i], where);
}

/* ---- streets: leaves of one size side by side ----------------------------------------------- */

/* clang-format off */
static const enum type street[] = {
    RAM_RW,  RAM_RO, SPECIAL, RAM_RW, HELD,   MMIO,    COPIED, RAM_RW,
    INVALID, RAM_RW, POD,     RAM_RO, BROKEN, SPECIAL, MOVING, HELD,
    LOGDIRTY,
};
/* clang-format on */
#define HOUSES (sizeof(street) / sizeof(street[0]))

static struct place house(uint64_t from, unsigned order, unsigned index)
{
    return (struct place){ from + index * (PAGE << order), order, street[index] };
}

/*
 * As long as memory is promised, all RAM that leaves the map is kept for that: promises are made
 * last, of what is no RAM already, and end first.
 */
static bool is_promise(const struct place *place)
{
    return place->type == POD || place->type == MOVING;
}

static void build_street(uint64_t from, unsigned order)
{
    for (unsigned i = 0; i < HOUSES; i++) {
        struct place own = house(from, order, i);

        if (is_promise(&own))
            own.type = SPECIAL;
        lay(&own);
    }
    for (unsigned i = 0; i < HOUSES; i++) {
        struct place own = house(from, order, i);

        if (is_promise(&own))
            place_set(&own);
    }
}

static void clear_street(uint64_t from, unsigned order)
{
    for (unsigned i = 0; i < 2 * HOUSES; i++) {
        struct place own = house(from, order, i % HOUSES);
        bool first = is_promise(&own);

        own.type = RAM_RW;
        if (first == (i < HOUSES))
            place_set(&own);
    }
}

/* A street, and the place where it ends. */
static void ask_street(uint64_t from, unsigned order, const struct place *end)
{
    lay(end);
    build_street(from, order);
    for (unsigned i = 0; i < HOUSES; i++) {
        struct place own = house(from, order, i);

        ask_entry(&own);
    }
    for (unsigned i = 0; i < HOUSES; i++) {
        struct place own = house(from, order, i);
        struct place next = i + 1 < HOUSES ? house(from, order, i + 1) : *end;

        ask_accesses(&own, &next);
    }
    clear_street(from, order);
}

/* 4 KB leaves up to a 2 MB boundary, 2 MB leaves from there on, and a frame of the next region. */
void ask_streets(void)
{
    uint64_t large = GB + 2 * MB, small = large - HOUSES * PAGE;
    struct place first = { large, ORDER_2M, RAM_RW };
    struct place last = { large + HOUSES * 2 * MB, ORDER_4K, RAM_RW };

    ask_street(small, ORDER_4K, &first);
    ask_street(large, ORDER_2M, &last);
}

/* ---- the first slot: a leaf of 1 GB, and what stands behind it ------------------------------ */

void ask_slot(void)
{
    /* clang-format off */
    static const struct {
        enum type own, next;
    } pairs[] = {
        { RAM_RW,  RAM_RW  }, { RAM_RW, RAM_RO  }, { RAM_RW, INVALID }, { RAM_RO, SPECIAL },
        { SPECIAL, HELD    }, { HELD,   RAM_RW  }, { COPIED, MMIO    }, { MMIO,   COPIED  },
        { INVALID, RAM_RW  }, { POD,    RAM_RW  }, { BROKEN, RAM_RW  }, { MOVING, RAM_RW  },
        { LOGDIRTY, RAM_RW },
    };
    /* clang-format on */
    struct place slot = { 0, ORDER_1G, RAM_RW };

    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct place next = { GB, ORDER_4K, pairs[i].next };

        slot.type = pairs[i].own;
        lay(&next);
        lay(&slot);
        if (i == 0 || pairs[i].own != pairs[i - 1].own)
            ask_entry(&slot);
        ask_accesses(&slot, &next);
        slot.type = next.type = RAM_RW;
        place_set(&slot);
        place_set(&next);
    }
}
