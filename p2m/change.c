/* SPDX-License-Identifier: MIT */
/*
 * Lazy changes of type. Only tables are ever marked; a leaf is changed at once. A mark is pushed
 * down one table at a time, the children before the mark goes, so that at every instant a processor
 * faults or sees the new rights. Refuses to know why a type changes, and what a processor makes of
 * a mark (npt.c, ept.c).
 */
#include "p2m/change.h"

#include "debt.h"
#include "merge.h"
#include "table.h"

static bool may_become(enum p2m_type from, enum p2m_type to)
{
    return type_may_change(from) && type_may_change(to) && from != to;
}

/* Where the entry at gfn ends. */
static gfn_t entry_end(gfn_t gfn, unsigned level)
{
    return gfn_add(level_base(gfn, level), order_frames(level_order(level)));
}

/* ---- carrying it out ------------------------------------------------------------------------ */

/* A leaf is what it should be; a table waits until somebody comes. Was it a table? */
static bool change_or_mark(struct p2m *p2m, struct slot slot)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t entry = slot_read(slot);
    enum entry_kind kind = entry_kind(format, entry, slot.level);

    if (kind == ENTRY_TABLE)
        entry_exchange(p2m, slot, entry_make_pending(format, entry_mfn(entry)));
    else if (kind == ENTRY_LEAF && entry_type(entry) == p2m->pending.from)
        entry_retype(p2m, slot, p2m->pending.to);
    return kind == ENTRY_TABLE;
}

/* One marked table: its own entries take over what its mark said. */
static void push_down(struct p2m *p2m, struct slot slot, gfn_t gfn)
{
    mfn_t table = entry_mfn(slot_read(slot));
    struct slot child = table_slot(p2m, table, slot.level - 1, GFN(0));

    for (unsigned index = 0; index < TABLE_ENTRIES; index++)
        change_or_mark(p2m, (struct slot){ child.entry + index, child.level });
    entry_exchange(p2m, slot, entry_make_table(p2m->config.format, table));
    merge_note(p2m, child, gfn);
}

/* Nothing on the path to gfn waits any more. Returns where what was found there ends: below the
 * last tables nothing can wait. */
static gfn_t resolve_path(struct p2m *p2m, gfn_t gfn, uint64_t *changed)
{
    const struct pt_format *format = p2m->config.format;
    struct slot slot = table_root(p2m, gfn);

    for (;;) {
        uint64_t entry = slot_read(slot);

        if (entry_is_pending(format, entry, slot.level)) {
            push_down(p2m, slot, gfn);
            *changed += TABLE_ENTRIES;
        }
        if (entry_kind(format, entry, slot.level) != ENTRY_TABLE || slot.level == 1)
            return entry_end(gfn, slot.level);
        slot = slot_below(p2m, slot, entry, gfn);
    }
}

bool p2m_recalculate(struct p2m_locked locked, gfn_t gfn)
{
    uint64_t changed = 0;

    if (is_changing(locked.p2m) && gfn.gfn < FRAMES_END)
        resolve_path(locked.p2m, gfn, &changed);
    return changed > 0;
}

static void forget_change(struct p2m *p2m)
{
    p2m->pending = (struct p2m_pending){ .from = P2M_INVALID };
}

enum p2m_error p2m_finish_type_change(struct p2m_locked locked, uint64_t budget)
{
    struct p2m_pending *pending = &locked.p2m->pending;
    uint64_t done = 0;

    while (pending->cursor.gfn < pending->range.end.gfn) {
        if (done >= budget)
            return P2M_AGAIN;
        pending->cursor = resolve_path(locked.p2m, pending->cursor, &done);
        done++;
    }
    forget_change(locked.p2m);
    return P2M_OK;
}

/* ---- asking for it -------------------------------------------------------------------------- */

enum p2m_error p2m_change_type_one(struct p2m_locked locked, gfn_t gfn, enum p2m_type from,
                                   enum p2m_type to, struct p2m_debt *debt)
{
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    struct p2m_mapping mapping = { entry.mfn, ORDER_4K, to };

    if (!may_become(from, to))
        return P2M_BAD_TYPE;
    if (gfn.gfn >= locked.p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    return entry.type == from ? p2m_set_entry(locked, gfn, mapping, debt) : P2M_UNEQUAL;
}

/* The same once more, or back again. */
static bool follows(const struct p2m_pending *pending, const struct p2m_pending *next)
{
    bool is_same = pending->from == next->from && pending->to == next->to;
    bool is_reverse = pending->from == next->to && pending->to == next->from;

    return (is_same || is_reverse) && pending->range.from.gfn == next->range.from.gfn &&
           pending->range.end.gfn == next->range.end.gfn;
}

static enum p2m_error check_change(const struct p2m *p2m, const struct p2m_pending *next)
{
    if (!may_become(next->from, next->to))
        return P2M_BAD_TYPE;
    if (next->range.from.gfn >= next->range.end.gfn || next->range.end.gfn > p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    if (p2m->holds > 0)
        return P2M_BUSY;
    return is_changing(p2m) && !follows(&p2m->pending, next) ? P2M_BUSY : P2M_OK;
}

/* An end of a range: the level at which an entry can begin there. */
static unsigned cut_level(gfn_t gfn)
{
    return frame_is_aligned(gfn.gfn, ORDER_2M) ? 1 : 0;
}

/* How many tables does it take, so that no leaf lies on both sides and changes on one? */
static unsigned tables_to_cut(struct p2m_locked locked, gfn_t gfn, enum p2m_type from)
{
    struct p2m_entry entry;

    if (frame_is_aligned(gfn.gfn, ORDER_1G))
        return 0;
    entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    if (entry.type != from || frame_is_aligned(gfn.gfn, entry.order))
        return 0;
    return entry.order / ORDER_STEP - cut_level(gfn);
}

static void cut(struct p2m_locked locked, gfn_t gfn, enum p2m_type from)
{
    if (tables_to_cut(locked, gfn, from) > 0)
        table_reach(locked, table_find(locked.p2m, gfn, 0), gfn, cut_level(gfn));
}

/* The largest entry from gfn on that lies in the range, or what is no table at all. */
static struct slot find_top(const struct p2m *p2m, gfn_t gfn, struct gfn_range range)
{
    const struct pt_format *format = p2m->config.format;
    struct slot slot = table_root(p2m, gfn);

    for (;;) {
        uint64_t entry = slot_read(slot);
        bool is_inside = level_base(gfn, slot.level).gfn >= range.from.gfn &&
                         entry_end(gfn, slot.level).gfn <= range.end.gfn;

        if (is_inside || entry_kind(format, entry, slot.level) != ENTRY_TABLE)
            return slot;
        slot = slot_below(p2m, slot, entry, gfn);
    }
}

static void mark_range(struct p2m *p2m, struct gfn_range range)
{
    gfn_t gfn = range.from, end = range.end;
    bool is_pending = false;

    if (end.gfn == p2m->config.end.gfn)
        range.end = GFN(UINT64_MAX); /* the last tables reach beyond */
    while (gfn.gfn < end.gfn) {
        struct slot slot = find_top(p2m, gfn, range);

        is_pending |= change_or_mark(p2m, slot);
        merge_note(p2m, slot, gfn);
        gfn = entry_end(gfn, slot.level);
    }
    if (!is_pending)
        forget_change(p2m);
}

enum p2m_error p2m_change_type_range(struct p2m_locked locked, struct gfn_range range,
                                     enum p2m_type from, enum p2m_type to, struct p2m_debt *debt)
{
    struct p2m_pending next = { from, to, range, range.from };
    enum p2m_error error = check_change(locked.p2m, &next);

    if (error == P2M_OK)
        error = table_reserve(locked, tables_to_cut(locked, range.from, from) +
                                          tables_to_cut(locked, range.end, from));
    if (error != P2M_OK)
        return error;
    cut(locked, range.from, from);
    cut(locked, range.end, from);
    table_unreserve(locked); /* both cuts may have been in one leaf */
    locked.p2m->pending = next;
    locked.p2m->changes++;
    mark_range(locked.p2m, range);
    debt_flush(locked.p2m, debt);
    return P2M_OK;
}

enum p2m_error p2m_change_type_global(struct p2m_locked locked, enum p2m_type from,
                                      enum p2m_type to, struct p2m_debt *debt)
{
    struct gfn_range all = { GFN(0), locked.p2m->config.end };

    return p2m_change_type_range(locked, all, from, to, debt);
}
