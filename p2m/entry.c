/* SPDX-License-Identifier: MIT */
/*
 * The funnel. Everything that follows from "this entry was that and is now this" happens in
 * entry_change: the store, the counts of the map, the record of the table. Refuses to know why an
 * entry changes, and what becomes of what it named.
 */
#include "entry.h"

#include "walk.h"

/* ---- counts --------------------------------------------------------------------------------- */

static bool is_table(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    return entry_kind(p2m->config.format, entry, level) == ENTRY_TABLE;
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

    if (is_table(p2m, entry, level))
        return table_counts(p2m, entry_mfn(entry), level - 1);
    if (entry_class(entry) != P2M_CLASS_NONE)
        counts.leaves[class_index(entry_class(entry))][level] = 1;
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

static __attribute__((noinline)) void count_table(struct p2m *p2m, mfn_t table, unsigned level,
                                                  uint64_t times)
{
    struct p2m_counts below = table_counts(p2m, table, level);

    counts_add(&p2m->counts, &below, times);
}

/* An entry comes or goes, in the map's counts and in its table's record; times is 1, or minus 1. */
static inline __attribute__((always_inline)) void count_entry(struct p2m *p2m,
                                                              struct p2m_table_info *info,
                                                              uint64_t entry, unsigned level,
                                                              uint64_t times)
{
    enum p2m_class class = entry_class(entry);

    if (class != P2M_CLASS_NONE) {
        p2m->counts.leaves[class_index(class)][level] += times;
        info->leaves[class_index(class)] += (uint16_t)times;
    } else if (entry) {
        ASSERT(is_table(p2m, entry, level));
        info->tables += (uint16_t)times;
        count_table(p2m, entry_mfn(entry), level - 1, times);
    }
}

/* How many more of the entry's two neighbours it joins as `new` than as `old`. */
static inline unsigned joined_more(const struct p2m *p2m, struct slot slot, uint64_t old,
                                   uint64_t new)
{
    const struct pt_format *format = p2m->config.format;
    unsigned index = slot_index(p2m, slot), more = 0;

    if (index > 0) {
        uint64_t before = entry_read(slot.entry - 1);

        more += entry_joins(format, before, new, slot.level);
        more -= entry_joins(format, before, old, slot.level);
    }
    if (index < TABLE_ENTRIES - 1) {
        uint64_t after = entry_read(slot.entry + 1);

        more += entry_joins(format, new, after, slot.level);
        more -= entry_joins(format, old, after, slot.level);
    }
    return more;
}

static void entry_count(struct p2m *p2m, struct slot slot, uint64_t old, uint64_t new)
{
    struct p2m_table_info *info = p2m_host_table_info(p2m, slot_table(p2m, slot));

    if (entry_class(old) == P2M_CLASS_NONE || entry_class(old) != entry_class(new)) {
        count_entry(p2m, info, old, slot.level, UINT64_MAX);
        count_entry(p2m, info, new, slot.level, 1);
    }
    info->joined += joined_more(p2m, slot, old, new);
}

struct p2m_table_info table_recount(const struct p2m *p2m, mfn_t table, unsigned level)
{
    const struct pt_format *format = p2m->config.format;
    pte_t *entries = table_entries(p2m, table);
    struct p2m_table_info info = { .tables = 0 };
    uint64_t before = 0;

    for (unsigned index = 0; index < TABLE_ENTRIES; index++) {
        uint64_t entry = entry_read(&entries[index]);
        enum p2m_class class = entry_class(entry);

        if (is_table(p2m, entry, level))
            info.tables++;
        else if (class != P2M_CLASS_NONE)
            info.leaves[class_index(class)]++;
        if (index > 0)
            info.joined += entry_joins(format, before, entry, level);
        before = entry;
    }
    return info;
}

/* ---- the funnel ----------------------------------------------------------------------------- */

/* Does all that is counted stay as it is? The same table may be pending or not. */
static inline bool counts_alike(const struct pt_format *format, uint64_t old, uint64_t new)
{
    uint64_t differ = (old ^ new) & ~entry_volatile(format);

    return !differ || (entry_type(old) == P2M_INVALID && entry_type(new) == P2M_INVALID &&
                       !(differ & ~(format->table ^ format->pending)));
}

bool entry_change(struct p2m *p2m, struct slot slot, uint64_t *old, uint64_t new)
{
    if (!atomic_compare_exchange_strong(slot.entry, old, new))
        return false;
    if (*old == 0 || new == 0 || !counts_alike(p2m->config.format, *old, new))
        entry_count(p2m, slot, *old, new);
    return true;
}

void entry_retype(struct p2m *p2m, struct slot slot, enum p2m_type type)
{
    const struct pt_format *format = p2m->config.format;
    uint64_t old = slot_read(slot), new;

    do {
        new = entry_make(format, entry_mfn(old), type, slot.level) | (old & entry_volatile(format));
    } while (!entry_change(p2m, slot, &old, new));
}

/* Plain stores: no walker can reach the page before it is linked. A piece goes on where the one
 * before it ends. */
void entry_fill_table(struct p2m *p2m, mfn_t table, uint64_t entry, unsigned level)
{
    const struct pt_format *format = p2m->config.format;
    struct p2m_table_info *info = p2m_host_table_info(p2m, table);
    uint64_t piece = entry_piece(format, entry, level, 0);
    uint64_t step = entry_piece(format, entry, level, 1) - piece;
    pte_t *entries = table_entries(p2m, table);
    enum p2m_class class = entry_class(entry);

    for (unsigned index = 0; index < TABLE_ENTRIES; index++, piece += step)
        atomic_store_explicit(&entries[index], piece, memory_order_relaxed);
    *info = (struct p2m_table_info){ .joined = TABLE_ENTRIES - 1 };
    if (class != P2M_CLASS_NONE)
        info->leaves[class_index(class)] = TABLE_ENTRIES;
}
