/* SPDX-License-Identifier: MIT */
/*
 * Which memory was written: by write protection or by D bits; see p2m/log_dirty.h. Knows the two
 * ways in three places: what is dirty, how it becomes clean, and what to do at either end. Refuses
 * to know what is copied.
 */
#include "p2m/log_dirty.h"

#include "debt.h"
#include "merge.h"
#include "table.h"

#define STEPS     4096u /* a call: entries looked at, and words of the bitmap */
#define WORD_BITS 64u

enum p2m_error p2m_log_dirty_start(struct p2m_locked locked, enum p2m_log_mode mode, unsigned grain,
                                   struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    enum p2m_error error = P2M_OK;

    if (mode == P2M_LOG_OFF || (grain != ORDER_4K && grain != ORDER_2M))
        return P2M_BAD_RANGE;
    if (p2m->log.mode != P2M_LOG_OFF)
        return P2M_BUSY;
    if (mode == P2M_LOG_WRITES)
        error = p2m_change_type_global(locked, P2M_RAM_RW, P2M_RAM_LOGDIRTY, debt);
    if (error == P2M_OK)
        p2m->log = (struct p2m_log){ mode, grain };
    return error;
}

enum p2m_error p2m_log_dirty_stop(struct p2m_locked locked, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    enum p2m_error error = P2M_OK;

    if (p2m->log.mode == P2M_LOG_OFF)
        return P2M_BAD_TYPE;
    if (p2m->log.mode == P2M_LOG_WRITES)
        error = p2m_change_type_global(locked, P2M_RAM_LOGDIRTY, P2M_RAM_RW, debt);
    if (error != P2M_OK)
        return error;
    p2m->log = (struct p2m_log){ P2M_LOG_OFF, ORDER_4K };
    merge_everything_later(p2m);
    return P2M_OK;
}

/* ---- smaller, as long as it lasts ----------------------------------------------------------- */

/* False without a page for tables. What was split is one entry again when the log ends. */
static bool split(struct p2m_locked locked, gfn_t gfn, unsigned order)
{
    struct p2m *p2m = locked.p2m;
    unsigned level = order / ORDER_STEP, above = table_find(p2m, gfn, level).level;

    if (p2m_split(locked, gfn, order) != P2M_OK)
        return false;
    for (; level < above && p2m->log.mode != P2M_LOG_OFF; level++)
        merge_mark(p2m, slot_table(p2m, table_find(p2m, gfn, level)));
    return true;
}

bool p2m_log_dirty_write(struct p2m_locked locked, gfn_t gfn)
{
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

    if (entry.type != P2M_RAM_LOGDIRTY)
        return false;
    p2m_recalculate(locked, gfn);
    if (entry.order > locked.p2m->log.grain)
        split(locked, gfn, locked.p2m->log.grain);
    entry_retype(locked.p2m, table_find(locked.p2m, gfn, 0), P2M_RAM_RW);
    return true;
}

/* ---- collecting ----------------------------------------------------------------------------- */

/* One call of it. */
struct collection {
    struct p2m_locked locked;
    const struct p2m_dirty *dirty;
    struct gfn_range range; /* all that is asked for */
    uint64_t steps;
    bool has_cleaned;
};

static void report(struct collection *collection, struct gfn_range range)
{
    const struct p2m_dirty *dirty = collection->dirty;
    unsigned grain = collection->locked.p2m->log.grain;
    uint64_t bit = (range.from.gfn - dirty->from.gfn) >> grain;
    uint64_t last = (range.end.gfn - 1 - dirty->from.gfn) >> grain;

    while (bit <= last) {
        uint64_t end = bit - bit % WORD_BITS + WORD_BITS;
        uint64_t count = (last + 1 < end ? last + 1 : end) - bit;

        dirty->bits[bit / WORD_BITS] |= UINT64_MAX >> (WORD_BITS - count) << bit % WORD_BITS;
        bit += count;
        collection->steps++;
    }
}

static bool is_dirty(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    enum p2m_type type = entry_type(entry);

    if (entry_kind(p2m->config.format, entry, level) != ENTRY_LEAF)
        return false;
    if (p2m->log.mode == P2M_LOG_WRITES)
        return type == P2M_RAM_RW;
    return entry & p2m->config.format->dirty && p2m_type_class(type) == P2M_CLASS_RAM;
}

static void clean(struct p2m *p2m, struct slot slot)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t entry = slot_read(slot);

    if (p2m->log.mode == P2M_LOG_WRITES)
        entry_retype(p2m, slot, P2M_RAM_LOGDIRTY);
    else
        while (!entry_change(p2m, slot, &entry, (entry & ~format->dirty) | PTE_WRITTEN))
            ;
}

/* A dirty leaf, and the part of it that is asked for; returns where to go on. */
static gfn_t collect_leaf(struct collection *collection, struct slot slot, struct gfn_range part)
{
    struct p2m *p2m = collection->locked.p2m;
    unsigned order = level_order(slot.level);
    bool is_large = order > p2m->log.grain;

    if (is_large && gfn_range_frames(part) < order_frames(order)) {
        if (split(collection->locked, part.from, order - ORDER_STEP))
            return part.from;
        report(collection, part);
        return part.end;
    }
    clean(p2m, slot);
    collection->has_cleaned = true;
    report(collection, part);
    if (is_large && p2m->log.mode == P2M_LOG_DIRTY_BITS)
        split(collection->locked, part.from, order - ORDER_STEP); /* next time it is known better */
    return part.end;
}

/* What is at gfn; returns where to go on. */
static gfn_t collect_at(struct collection *collection, gfn_t gfn)
{
    struct p2m *p2m = collection->locked.p2m;
    struct slot slot = table_find(p2m, gfn, 0);
    uint64_t entry = slot_read(slot);
    gfn_t first = level_base(gfn, slot.level);
    struct gfn_range part = { gfn, gfn_add(first, order_frames(level_order(slot.level))) };

    if (part.end.gfn > collection->range.end.gfn)
        part.end = collection->range.end;
    return is_dirty(p2m, entry, slot.level) ? collect_leaf(collection, slot, part) : part.end;
}

/* The host writes by its pointer, and nobody is told. */
static void report_pins(struct collection *collection, struct gfn_range range)
{
    const struct p2m *p2m = collection->locked.p2m;

    for (unsigned i = 0; i < p2m->pin_count; i++) {
        gfn_t gfn = p2m->pin[i];

        if (gfn.gfn >= range.from.gfn && gfn.gfn < range.end.gfn)
            report(collection, (struct gfn_range){ gfn, gfn_add(gfn, 1) });
    }
}

/* While the start waits to be carried out, all that waits is clean, and need not be looked at. Any
 * other change is carried out. Returns where to go on. */
static gfn_t skip_waiting(struct collection *collection, gfn_t gfn)
{
    struct p2m *p2m = collection->locked.p2m;
    unsigned level = table_pending_level(p2m, gfn);

    if (level == 0)
        return gfn;
    if (p2m->pending.from == P2M_RAM_RW && p2m->pending.to == P2M_RAM_LOGDIRTY)
        return gfn_add(level_base(gfn, level), order_frames(level_order(level)));
    p2m_recalculate(collection->locked, gfn);
    collection->steps += TABLE_ENTRIES;
    return gfn;
}

/* A piece of the grain is never looked at in part: its bit would be lost in the next call. */
static bool is_enough(const struct collection *collection, gfn_t gfn)
{
    return collection->steps >= STEPS &&
           frame_is_aligned(gfn.gfn, collection->locked.p2m->log.grain);
}

/* What is held, or moves, is of another type meanwhile, and D bits may still be in a dead table: in
 * this round it would not be said, and no other may follow. */
static bool may_miss(const struct p2m *p2m)
{
    return p2m->holds > 0 || (p2m->log.mode == P2M_LOG_DIRTY_BITS && p2m->unpaid.merged > 0);
}

enum p2m_error p2m_log_dirty_collect(struct p2m_locked locked, struct gfn_range *range,
                                     const struct p2m_dirty *dirty, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct collection collection = { .locked = locked, .dirty = dirty, .range = *range };
    gfn_t gfn = range->from;

    if (p2m->log.mode == P2M_LOG_OFF)
        return P2M_BAD_TYPE;
    if (gfn.gfn >= range->end.gfn || range->end.gfn > p2m->config.end.gfn ||
        dirty->from.gfn > gfn.gfn || !frame_is_aligned(dirty->from.gfn | gfn.gfn, p2m->log.grain))
        return P2M_BAD_RANGE;
    if (may_miss(p2m))
        return P2M_BUSY;
    for (; gfn.gfn < range->end.gfn && !is_enough(&collection, gfn); collection.steps++) {
        gfn_t next = skip_waiting(&collection, gfn);

        gfn = next.gfn > gfn.gfn ? next : collect_at(&collection, gfn);
    }
    if (gfn.gfn > range->end.gfn)
        gfn = range->end; /* what waited reached beyond it */
    report_pins(&collection, (struct gfn_range){ range->from, gfn });
    if (collection.has_cleaned)
        debt_flush(p2m, debt);
    range->from = gfn;
    return range->from.gfn < range->end.gfn ? P2M_AGAIN : P2M_OK;
}
