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
#define FRAMES_END ((uint64_t)1 << LEVELS * ORDER_STEP) /* no walk can reach this gfn */

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
static inline uint64_t entry_make(const struct pt_format *format, mfn_t mfn, enum p2m_type type,
                                  unsigned level)
{
    const struct type_info *info = &type_table[type];
    uint64_t entry = (uint64_t)type << PTE_TYPE_SHIFT;

    if (!info->rights)
        return entry;
    entry |= format->leaf[info->rights] | format->memory[info->memory];
    if (level > 0)
        entry |= format->superpage;
    return entry | mfn.mfn << FRAME_SHIFT;
}

/* The entry that stands for piece `index` of this one, a level down. Leaves keep all their bits. */
uint64_t entry_piece(const struct pt_format *format, uint64_t entry, unsigned level,
                     unsigned index);

/* What goes on where this entry ends, one index up at this level, in every respect alike. Marks have
 * no address; after a table nothing does, for no entry has this type. (The frames end long before
 * an address could spill into the type.) */
static inline uint64_t entry_next(const struct pt_format *format, uint64_t entry, unsigned level)
{
    if (!(entry & format->present))
        return entry;
    if (level > 0 && !(entry & format->superpage))
        return UINT64_MAX;
    return entry + ((uint64_t)FRAME_SIZE << level_order(level));
}

/* Alike, but for what changes of itself. */
static inline bool entry_equals(const struct pt_format *format, uint64_t a, uint64_t b)
{
    return !((a ^ b) & ~entry_volatile(format));
}

/* Does `next`, one index up, go on where `entry` ends? */
static inline bool entry_joins(const struct pt_format *format, uint64_t entry, uint64_t next,
                               unsigned level)
{
    return entry_equals(format, entry_next(format, entry, level), next);
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

/* Where an entry is; two registers. */
struct slot {
    pte_t *entry;
    unsigned level;
};

/* The slot for gfn in this table. */
static inline struct slot table_slot(const struct p2m *p2m, mfn_t table, unsigned level, gfn_t gfn)
{
    return (struct slot){ &table_entries(p2m, table)[level_index(gfn, level)], level };
}

static inline uint64_t slot_read(struct slot slot)
{
    return entry_read(slot.entry);
}

/* A level down towards gfn, in the table that this entry of the slot names. */
static inline struct slot slot_below(const struct p2m *p2m, struct slot slot, uint64_t entry,
                                     gfn_t gfn)
{
    unsigned level = slot.level - 1;

    return (struct slot){ &entry_table(p2m, entry)[level_index(gfn, level)], level };
}

static inline uint64_t slot_offset(const struct p2m *p2m, struct slot slot)
{
    return (uint64_t)((char *)slot.entry - (char *)p2m->config.direct_map);
}

/* The table that it is in, and which of its entries it is. */
static inline mfn_t slot_table(const struct p2m *p2m, struct slot slot)
{
    return MFN(slot_offset(p2m, slot) >> FRAME_SHIFT);
}

static inline unsigned slot_index(const struct p2m *p2m, struct slot slot)
{
    return (slot_offset(p2m, slot) & (FRAME_SIZE - 1)) / sizeof(*slot.entry);
}

#endif
