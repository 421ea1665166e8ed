/* SPDX-License-Identifier: MIT */
/*
 * The funnel. Everything that follows from "this entry was that and is now this" happens in
 * entry_change: the store, the counts of the map, the record of the table. Refuses to know why an
 * entry changes, and what becomes of what it named.
 */
#include "entry.h"

#include <stddef.h>

#include "walk.h"

/* ---- counts --------------------------------------------------------------------------------- */

static bool is_table(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    return entry_kind(p2m->config.format, entry, level) == ENTRY_TABLE;
}

/* The record's counter that a leaf or a mark of this class moves, or NULL for an empty entry. */
static inline uint16_t *info_counter(struct p2m_table_info *info, enum p2m_class class)
{
    switch (class) {
    case P2M_CLASS_NONE:
        return NULL;
    case P2M_CLASS_RAM:
        return &info->ram;
    case P2M_CLASS_MARKER:
        return &info->markers;
    default:
        return &info->other;
    }
}

/* The map's. */
static inline uint64_t *counts_counter(struct p2m_counts *counts, enum p2m_class class,
                                       unsigned level)
{
    switch (class) {
    case P2M_CLASS_NONE:
        return NULL;
    case P2M_CLASS_RAM:
        return &counts->ram[level];
    case P2M_CLASS_MARKER:
        return &counts->markers[level];
    default:
        return &counts->other[level];
    }
}

void counts_add_table(struct p2m_counts *counts, const struct p2m_table_info *info, unsigned level)
{
    counts->tables++;
    if (level >= ORDER_SIZES)
        return; /* the root holds tables and nothing else */
    counts->ram[level] += info->ram;
    counts->markers[level] += info->markers;
    counts->other[level] += info->other;
}

/* The records know each table's leaves: no deeper than the last entries that name a table. */
static struct p2m_counts table_counts(const struct p2m *p2m, mfn_t table, unsigned level)
{
    const struct p2m_table_info *info = p2m_host_table_info(p2m, table);
    struct walk walk = walk_table(p2m, table, level, GFN(0));
    struct p2m_counts counts = { .tables = 0 };

    counts_add_table(&counts, info, level);
    if (info->tables == 0)
        return counts;
    walk.floor = 1;
    while (walk_step(&walk))
        if (walk_kind(&walk) == ENTRY_TABLE)
            counts_add_table(&counts, p2m_host_table_info(p2m, entry_mfn(walk.entry)),
                             walk.level - 1);
    return counts;
}

struct p2m_counts entry_counts(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    struct p2m_counts counts = { .tables = 0 };
    uint64_t *counter;

    if (is_table(p2m, entry, level))
        return table_counts(p2m, entry_mfn(entry), level - 1);
    counter = counts_counter(&counts, entry_class(entry), level);
    if (counter)
        ++*counter;
    return counts;
}

/* What hangs below an entry comes or goes; times is 1, or minus 1. */
static void counts_add(struct p2m_counts *counts, const struct p2m_counts *below, uint64_t times)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        counts->ram[size] += below->ram[size] * times;
        counts->markers[size] += below->markers[size] * times;
        counts->other[size] += below->other[size] * times;
    }
    counts->tables += below->tables * times;
}

static void count_table(struct p2m *p2m, struct p2m_table_info *info, struct slot child,
                        uint64_t times)
{
    struct p2m_counts below = table_counts(p2m, child.table, child.level);

    counts_add(&p2m->counts, &below, times);
    info->tables += (uint16_t)times;
}

/* An entry comes or goes, in the map's counts and in its table's record; times is 1, or minus 1. */
static inline __attribute__((always_inline)) void count_entry(struct p2m *p2m,
                                                              struct p2m_table_info *info,
                                                              uint64_t entry, unsigned level,
                                                              uint64_t times)
{
    enum p2m_class class = entry_class(entry);

    if (class != P2M_CLASS_NONE) {
        *counts_counter(&p2m->counts, class, level) += times;
        *info_counter(info, class) += (uint16_t)times;
    } else if (is_table(p2m, entry, level)) {
        count_table(p2m, info, (struct slot){ entry_mfn(entry), level - 1, GFN(0) }, times);
    }
}

/* How many more of the entry's two neighbours it joins as `new` than as `old`. */
static unsigned joined_more(const struct p2m *p2m, struct slot slot, uint64_t old, uint64_t new)
{
    const struct pt_format *format = p2m->config.format;
    pte_t *entry = slot_entry(p2m, slot);
    unsigned index = level_index(slot.gfn, slot.level), more = 0;

    if (index > 0) {
        uint64_t before = entry_read(entry - 1);

        more += entry_joins(format, before, new, slot.level);
        more -= entry_joins(format, before, old, slot.level);
    }
    if (index < TABLE_ENTRIES - 1) {
        uint64_t after = entry_read(entry + 1);

        more += entry_joins(format, new, after, slot.level);
        more -= entry_joins(format, old, after, slot.level);
    }
    return more;
}

static void entry_count(struct p2m *p2m, struct slot slot, uint64_t old, uint64_t new)
{
    struct p2m_table_info *info = p2m_host_table_info(p2m, slot.table);

    count_entry(p2m, info, old, slot.level, UINT64_MAX);
    count_entry(p2m, info, new, slot.level, 1);
    info->joined += joined_more(p2m, slot, old, new);
}

struct p2m_table_info table_recount(const struct p2m *p2m, mfn_t table, unsigned level)
{
    pte_t *entries = table_entries(p2m, table);
    struct p2m_table_info info = { 0 };
    uint64_t before = 0;

    for (unsigned index = 0; index < TABLE_ENTRIES; index++) {
        uint64_t entry = entry_read(&entries[index]);
        bool names_table = is_table(p2m, entry, level);
        uint16_t *counter = names_table ? &info.tables : info_counter(&info, entry_class(entry));

        if (counter)
            ++*counter;
        if (index > 0)
            info.joined += entry_joins(p2m->config.format, before, entry, level);
        before = entry;
    }
    return info;
}

/* ---- the funnel ----------------------------------------------------------------------------- */

bool entry_change(struct p2m *p2m, struct slot slot, uint64_t *old, uint64_t new)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t settled = ~entry_volatile(format);

    if (!atomic_compare_exchange_strong(slot_entry(p2m, slot), old, new))
        return false;
    if (entry_kind(format, new, slot.level) == ENTRY_TABLE)
        settled &= ~(format->table ^ format->pending); /* the same table, pending or not */
    if ((*old & settled) == (new &settled))
        return true;
    entry_count(p2m, slot, *old, new);
    return true;
}

uint64_t entry_exchange(struct p2m *p2m, struct slot slot, uint64_t new)
{
    uint64_t old = entry_read(slot_entry(p2m, slot));

    while (!entry_change(p2m, slot, &old, new))
        ;
    return old;
}

void entry_retype(struct p2m *p2m, struct slot slot, enum p2m_type type)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t old = entry_read(slot_entry(p2m, slot)), new;

    do {
        new = entry_make(format, entry_mfn(old), type, slot.level) | (old & entry_volatile(format));
    } while (!entry_change(p2m, slot, &old, new));
}

/* Plain stores: no walker can reach the page before it is linked. */
void entry_fill_table(struct p2m *p2m, mfn_t table, uint64_t entry, unsigned level)
{
    const struct pt_format *format = p2m->config.format;
    struct p2m_table_info *info = p2m_host_table_info(p2m, table);
    struct p2m_table_info filled = { .joined = TABLE_ENTRIES - 1 };
    pte_t *entries = table_entries(p2m, table);
    uint16_t *counter;

    for (unsigned index = 0; index < TABLE_ENTRIES; index++)
        atomic_store_explicit(&entries[index], entry_piece(format, entry, level, index),
                              memory_order_relaxed);
    counter = info_counter(&filled, entry_class(entry));
    if (counter)
        *counter = TABLE_ENTRIES;
    *info = filled;
}
