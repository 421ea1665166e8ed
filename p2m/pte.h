/* SPDX-License-Identifier: MIT */
/*
 * What one entry says, and where it is. Reads and makes values; stores nothing. Knows types through
 * the table of types only; does not know how tables hang together (table.h).
 *
 * Levels are the tables' word, and stop here: 0 holds 4K entries, 1 2M, 2 1G, 3 the root.
 *
 *      level   AMD                       Intel               covers an entry
 *      3       PML4E                     EPT PML4E           512 GB
 *      2       PDPE                      EPT PDPTE           1 GB
 *      1       PDE                       EPT PDE             2 MB
 *      0       PTE                       EPT PTE             4 KB
 */
#ifndef P2M_PTE_H
#define P2M_PTE_H

#include "p2m/p2m.h"

#include "assert.h"
#include "format.h"
#include "type.h"

#define LEVELS     4u
#define ROOT_LEVEL (LEVELS - 1)

typedef _Atomic uint64_t pte_t;

static inline unsigned level_order(unsigned level)
{
    return level * ORDER_STEP;
}

static inline unsigned level_index(gfn_t gfn, unsigned level)
{
    return (gfn.gfn >> level_order(level)) & (TABLE_ENTRIES - 1);
}

static inline gfn_t level_base(gfn_t gfn, unsigned level)
{
    return GFN(frame_align_down(gfn.gfn, level_order(level)));
}

enum entry_kind {
    ENTRY_EMPTY, /* nothing */
    ENTRY_MARK,  /* not present, but it means something: its type says what */
    ENTRY_LEAF,
    ENTRY_TABLE,
};

static inline enum entry_kind entry_kind(const struct pt_format *format, uint64_t entry,
                                         unsigned level)
{
    if (!(entry & format->present))
        return entry ? ENTRY_MARK : ENTRY_EMPTY;
    if (level == 0 || (entry & format->superpage))
        return ENTRY_LEAF;
    return ENTRY_TABLE;
}

static inline mfn_t entry_mfn(uint64_t entry)
{
    return MFN((entry & PTE_ADDRESS) >> FRAME_SHIFT);
}

static inline enum p2m_type entry_type(uint64_t entry)
{
    return (enum p2m_type)((entry & PTE_TYPE) >> PTE_TYPE_SHIFT);
}

static inline enum p2m_class entry_class(uint64_t entry)
{
    return type_table[entry_type(entry)].class;
}

/* What changes of itself, and what a leaf takes along when all else changes. */
static inline uint64_t entry_volatile(const struct pt_format *format)
{
    return format->accessed | format->dirty | PTE_WRITTEN;
}

/* A leaf's: was it written since it was mapped? */
static inline bool entry_is_dirty(const struct pt_format *format, uint64_t entry)
{
    return entry & (format->dirty | PTE_WRITTEN);
}

static inline uint64_t entry_make_table(const struct pt_format *format, mfn_t table)
{
    return format->table | table.mfn << FRAME_SHIFT;
}

/* It names a table below which a change of type has not been carried out everywhere. */
static inline uint64_t entry_make_pending(const struct pt_format *format, mfn_t table)
{
    return format->pending | PTE_RECALCULATE | table.mfn << FRAME_SHIFT;
}

static inline bool entry_is_pending(const struct pt_format *format, uint64_t entry, unsigned level)
{
    return entry_kind(format, entry, level) == ENTRY_TABLE && entry & PTE_RECALCULATE;
}

/* The entry for a type: a leaf, a mark without an address, or 0 for P2M_INVALID. */
uint64_t entry_make(const struct pt_format *format, mfn_t mfn, enum p2m_type type, unsigned level);

/* The entry that stands for piece `index` of this one, a level down. Leaves keep all their bits. */
uint64_t entry_piece(const struct pt_format *format, uint64_t entry, unsigned level,
                     unsigned index);

/* Does `next`, one index up at this level, go on where `entry` ends, in every respect alike? Marks
 * have no address; tables never join. */
static inline bool entry_joins(const struct pt_format *format, uint64_t entry, uint64_t next,
                               unsigned level)
{
    uint64_t step = entry & format->present ? (uint64_t)FRAME_SIZE << level_order(level) : 0;

    return !(((entry + step) ^ next) & ~entry_volatile(format)) &&
           entry_kind(format, entry, level) != ENTRY_TABLE;
}

static inline pte_t *table_entries(const struct p2m *p2m, mfn_t table)
{
    return (pte_t *)((char *)p2m->config.direct_map + (table.mfn << FRAME_SHIFT));
}

/* The table that an entry names. */
static inline pte_t *entry_table(const struct p2m *p2m, uint64_t entry)
{
    return (pte_t *)((char *)p2m->config.direct_map + (entry & PTE_ADDRESS));
}

static inline uint64_t entry_read(pte_t *entry)
{
    return atomic_load_explicit(entry, memory_order_acquire);
}

/* Where an entry is. gfn is the one that was looked for, not the entry's first. */
struct slot {
    mfn_t table;
    unsigned level;
    gfn_t gfn;
};

/* A level down, in the table that this entry of the slot names. */
static inline struct slot slot_below(struct slot slot, uint64_t entry)
{
    return (struct slot){ entry_mfn(entry), slot.level - 1, slot.gfn };
}

static inline pte_t *slot_entry(const struct p2m *p2m, struct slot slot)
{
    return &table_entries(p2m, slot.table)[level_index(slot.gfn, slot.level)];
}

#endif
