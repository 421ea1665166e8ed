/* SPDX-License-Identifier: MIT */
/*
 * The funnel's mirror: every invariant of the tree checked, every count counted again from the
 * entries alone. Changes nothing, prints nothing, and believes no record that it can recount.
 */
#include "p2m/change.h"

#include <stddef.h>

#include "entry.h"
#include "walk.h"

static void complain(struct p2m_audit *report, gfn_t gfn, unsigned level, const char *what)
{
    if (report->errors < P2M_AUDIT_DETAILS)
        report->detail[report->errors] = (struct p2m_audit_error){ gfn, level_order(level), what };
    report->errors++;
}

/* A table waits for a change of type while there is one, in its range, and not where it is done. */
static const char *pending_fault(const struct p2m *p2m, gfn_t gfn, unsigned order)
{
    const struct p2m_pending *pending = &p2m->pending;
    uint64_t end = gfn.gfn + order_frames(order);

    if (!p2m_is_changing(p2m))
        return "pending, and no type changes";
    if (gfn.gfn < pending->range.from.gfn ||
        (end > pending->range.end.gfn && pending->range.end.gfn < p2m->config.end.gfn))
        return "pending, outside the range that changes";
    return end <= pending->cursor.gfn ? "pending, where the change is done" : NULL;
}

/* NULL, or what is wrong with one entry: it must be what the format makes of what it says. */
static const char *entry_fault(const struct p2m *p2m, uint64_t entry, gfn_t gfn, unsigned level)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t settled = entry & ~(entry & format->present ? entry_volatile(format) : 0);
    uint64_t table = entry & ~(format->accessed | format->dirty);
    enum p2m_type type = entry_type(entry);
    mfn_t mfn = entry_mfn(entry);
    unsigned order = level_order(level);

    switch (entry_kind(format, entry, level)) {
    case ENTRY_EMPTY:
        return NULL;
    case ENTRY_TABLE:
        if (table == entry_make_pending(format, mfn))
            return pending_fault(p2m, gfn, order);
        return table != entry_make_table(format, mfn) ? "malformed table entry" : NULL;
    case ENTRY_MARK:
        if (level >= ORDER_SIZES)
            return "mark above 1 GB";
        break;
    case ENTRY_LEAF:
        if (entry & PTE_WRITTEN && p2m_type_class(type) != P2M_CLASS_RAM)
            return "written, and no RAM";
        if (order > p2m->config.max_order)
            return "leaf larger than allowed";
        if (!frame_is_aligned(mfn.mfn, order))
            return "misaligned leaf";
        if (mfn.mfn + order_frames(order) > p2m->config.mfn_end.mfn)
            return "leaf beyond the machine's frames";
        break;
    }
    if (type >= P2M_TYPE_COUNT || settled != entry_make(format, mfn, type, level))
        return "malformed entry";
    if (gfn.gfn + order_frames(order) > p2m->config.end.gfn)
        return "mapped beyond the end";
    return NULL;
}

/* Does the queue lead to the table below this entry? While the log is on, its end is what does. */
static bool is_queued(const struct p2m *p2m, gfn_t gfn, unsigned order)
{
    bool is_found = p2m->log.mode != P2M_LOG_OFF;

    for (unsigned i = 0; i < p2m->candidate_count && !is_found; i++) {
        const struct p2m_candidate *candidate = &p2m->candidate[i];

        is_found = candidate->order == 0
                       ? gfn.gfn + order_frames(order) > candidate->gfn.gfn
                       : candidate->gfn.gfn == gfn.gfn && candidate->order == order;
    }
    return is_found;
}

static void audit_table(const struct p2m *p2m, mfn_t table, gfn_t base, unsigned level,
                        struct p2m_audit *report)
{
    const struct p2m_table_info *info = p2m_host_table_info(p2m, table);
    struct p2m_table_info recounted = table_recount(p2m, table, level);
    pte_t *entries = table_entries(p2m, table);

    for (unsigned index = 0; index < TABLE_ENTRIES; index++) {
        gfn_t gfn = gfn_add(base, (uint64_t)index << level_order(level));
        const char *what = entry_fault(p2m, entry_read(&entries[index]), gfn, level);

        if (what)
            complain(report, gfn, level, what);
    }
    if (info->ram != recounted.ram || info->markers != recounted.markers ||
        info->other != recounted.other || info->tables != recounted.tables)
        complain(report, base, level + 1, "table record miscounts its entries");
    if (info->joined != recounted.joined)
        complain(report, base, level + 1, "table record miscounts its joined neighbours");
    if (info->candidate && !is_queued(p2m, base, level_order(level + 1)))
        complain(report, base, level + 1, "a candidate for a merge, and in no queue");
    counts_add_table(&report->recounted, &recounted, level);
}

static bool counts_equal(const struct p2m_counts *a, const struct p2m_counts *b)
{
    bool equal = a->tables == b->tables;

    for (unsigned size = 0; size < ORDER_SIZES; size++)
        equal = equal && a->ram[size] == b->ram[size] && a->markers[size] == b->markers[size] &&
                a->other[size] == b->other[size];
    return equal;
}

static void audit_pins(struct p2m_locked locked, struct p2m_audit *report)
{
    for (unsigned i = 0; i < locked.p2m->pin_count; i++) {
        gfn_t gfn = locked.p2m->pin[i];

        if (!mfn_is_valid(p2m_get_entry(p2m_locked_walking(locked), gfn).mfn))
            complain(report, gfn, 0, "pinned, and no frame there");
    }
}

static void audit_pending(const struct p2m *p2m, struct p2m_audit *report)
{
    const struct p2m_pending *pending = &p2m->pending;

    if (!p2m_is_changing(p2m))
        return;
    if (!type_may_change(pending->from) || !type_may_change(pending->to))
        complain(report, GFN(0), LEVELS, "a change between types that may not change");
    if (pending->cursor.gfn < pending->range.from.gfn ||
        pending->cursor.gfn >= pending->range.end.gfn ||
        pending->range.end.gfn > p2m->config.end.gfn)
        complain(report, GFN(0), LEVELS, "a change whose range and cursor make no sense");
}

void p2m_audit(struct p2m_locked locked, struct p2m_audit *report)
{
    struct p2m *p2m = locked.p2m;
    struct walk walk = walk_range(p2m, GFN(0), GFN(UINT64_MAX));

    *report = (struct p2m_audit){ .errors = 0 };
    walk.floor = 1;
    while (walk_step(&walk))
        if (walk_kind(&walk) == ENTRY_TABLE)
            audit_table(p2m, entry_mfn(walk.entry), walk.gfn, walk.level - 1, report);
    audit_table(p2m, p2m->root, GFN(0), ROOT_LEVEL, report);
    if (!counts_equal(&report->recounted, &p2m->counts))
        complain(report, GFN(0), LEVELS, "counts of the map differ from a recount");
    if (p2m->reserve_count != 0)
        complain(report, GFN(0), LEVELS, "table pages left in the reserve between verbs");
    audit_pending(p2m, report);
    audit_pins(locked, report);
}
