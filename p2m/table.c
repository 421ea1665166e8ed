/* SPDX-License-Identifier: MIT */
/*
 * The radix tree. A table is linked only when it is filled, and freed only when it was owed and the
 * debt was settled. Refuses to know types, frames' owners, and when a merge is a good idea.
 */
#include "table.h"

struct slot table_find(const struct p2m *p2m, gfn_t gfn, unsigned level)
{
    return table_walk(p2m, gfn, level);
}

unsigned table_pending_level(const struct p2m *p2m, gfn_t gfn)
{
    struct slot slot = table_root(p2m, gfn);
    struct descent to = descent_to(p2m, gfn);

    do {
        if (entry_is_pending(p2m->config.format, slot_read(slot), slot.level))
            return slot.level;
    } while (slot.level > 0 && descend(&to, &slot, slot.level));
    return 0;
}

/* ---- the reserve: a stack of pages, linked through their first word ------------------------- */

static uint64_t table_charge(const struct p2m *p2m)
{
    return p2m->counts.tables + p2m->unpaid.tables + p2m->reserve_count + p2m->lent_pages;
}

enum p2m_error table_reserve(struct p2m_locked locked, uint64_t count)
{
    struct p2m *p2m = locked.p2m;

    if (count > p2m->config.table_quota || table_charge(p2m) > p2m->config.table_quota - count)
        return P2M_NO_MEMORY;
    while (count-- > 0) {
        mfn_t table = p2m_host_alloc_table(p2m);

        if (!mfn_is_valid(table)) {
            table_unreserve(locked);
            return P2M_NO_MEMORY;
        }
        atomic_store_explicit(&table_entries(p2m, table)[0], p2m->reserve.mfn,
                              memory_order_relaxed);
        p2m->reserve = table;
        p2m->reserve_count++;
    }
    return P2M_OK;
}

static mfn_t reserve_take(struct p2m *p2m)
{
    mfn_t table = p2m->reserve;

    ASSERT(p2m->reserve_count > 0);
    p2m->reserve = MFN(entry_read(&table_entries(p2m, table)[0]));
    p2m->reserve_count--;
    return table;
}

void table_unreserve(struct p2m_locked locked)
{
    while (locked.p2m->reserve_count > 0)
        p2m_host_free_table(locked.p2m, reserve_take(locked.p2m));
}

/* ---- pages that are no tables, under the same quota ----------------------------------------- */

mfn_t table_lend(struct p2m_locked locked)
{
    struct p2m *p2m = locked.p2m;
    mfn_t page = INVALID_MFN;

    if (table_charge(p2m) < p2m->config.table_quota)
        page = p2m_host_alloc_table(p2m);
    if (mfn_is_valid(page))
        p2m->lent_pages++;
    return page;
}

void table_take_back(struct p2m_locked locked, mfn_t page)
{
    locked.p2m->lent_pages--;
    p2m_host_free_table(locked.p2m, page);
}

/* ---- down: split and link ------------------------------------------------------------------- */

struct slot p2m_next_level(struct p2m_locked locked, struct slot slot, gfn_t gfn)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    uint64_t entry = slot_read(slot);
    enum entry_kind kind = entry_kind(format, entry, slot.level);
    mfn_t table;

    ASSERT(slot.level > 0);
    if (kind == ENTRY_TABLE)
        return slot_below(p2m, slot, entry, gfn);

    /* A or D may move between filling and linking: then the pieces are out of date. */
    table = reserve_take(p2m);
    do {
        entry_fill_table(p2m, table, entry, slot.level);
    } while (!entry_change(p2m, slot, &entry, entry_make_table(format, table)));
    if (kind != ENTRY_EMPTY)
        p2m->events.splits[slot.level]++;
    return table_slot(p2m, table, slot.level - 1, gfn);
}

/* ---- up: merge ------------------------------------------------------------------------------ */

bool table_is_alike(const struct p2m *p2m, struct slot slot)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t entry = slot_read(slot), first;
    unsigned order = level_order(slot.level);

    if (slot.level == 0 || entry_kind(format, entry, slot.level) != ENTRY_TABLE)
        return false;
    if (p2m_host_table_info(p2m, entry_mfn(entry))->joined != TABLE_ENTRIES - 1)
        return false;
    first = entry_read(&table_entries(p2m, entry_mfn(entry))[0]);
    switch (entry_kind(format, first, slot.level - 1)) {
    case ENTRY_EMPTY:
        return true;
    case ENTRY_MARK:
        return order <= ORDER_1G;
    case ENTRY_LEAF:
        return order <= p2m->config.max_order && frame_is_aligned(entry_mfn(first).mfn, order);
    default:
        return false;
    }
}

uint64_t table_volatile_bits(const struct p2m *p2m, mfn_t table)
{
    pte_t *entries = table_entries(p2m, table);
    uint64_t bits = 0;

    for (unsigned index = 0; index < TABLE_ENTRIES; index++)
        bits |= entry_read(&entries[index]);
    return bits & entry_volatile(p2m->config.format);
}

mfn_t table_merge(struct p2m_locked locked, struct slot slot)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    mfn_t table = entry_mfn(slot_read(slot));
    uint64_t whole = entry_read(&table_entries(p2m, table)[0]);

    if (entry_kind(format, whole, slot.level - 1) == ENTRY_LEAF)
        whole |= format->superpage | table_volatile_bits(p2m, table);
    entry_exchange(p2m, slot, whole);
    if (whole)
        p2m->events.merges[slot.level]++;
    return table;
}

void table_free(struct p2m_locked locked, mfn_t table)
{
    p2m_host_free_table(locked.p2m, table);
}
