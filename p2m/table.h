/* SPDX-License-Identifier: MIT */
/*
 * The radix tree: find, link, split, merge, free, and the table pages that this takes. Knows no
 * types: an entry is empty, a mark, a leaf or a table, and its pieces are pte.h's business.
 */
#ifndef P2M_TABLE_H
#define P2M_TABLE_H

#include "p2m/change.h"

#include "entry.h"

static inline struct slot table_root(const struct p2m *p2m, gfn_t gfn)
{
    ASSERT(mfn_is_valid(p2m->root)); /* not after p2m_destroy */
    return table_slot(p2m, p2m->root, ROOT_LEVEL, gfn);
}

/* What each step down asks of the format, kept in registers: an entry that is read may have been
 * written by another processor, so that the compiler would read all else again, too. */
struct descent {
    char *direct_map;
    uint64_t present, superpage;
    gfn_t gfn;
};

static inline struct descent descent_to(const struct p2m *p2m, gfn_t gfn)
{
    const struct pt_format *format = p2m->config.format;

    return (struct descent){ p2m->config.direct_map, format->present, format->superpage, gfn };
}

/* From an entry of this level a step down, if it names a table. */
static inline __attribute__((always_inline)) bool descend(const struct descent *to,
                                                          struct slot *slot, unsigned level)
{
    uint64_t entry = slot_read(*slot);

    if (!(entry & to->present) || (level < ROOT_LEVEL && entry & to->superpage))
        return false;
    slot->level = level - 1;
    slot->entry =
        (pte_t *)(to->direct_map + (entry & PTE_ADDRESS)) + level_index(to->gfn, level - 1);
    return true;
}

/* The deepest existing slot for gfn, at this level or above. Levels are spelled out, so that the
 * compiler shifts by constants: this is the path of every look-up. */
static inline __attribute__((always_inline)) struct slot table_walk(const struct p2m *p2m,
                                                                    gfn_t gfn, unsigned level)
{
    struct slot slot = table_root(p2m, gfn);
    struct descent to = descent_to(p2m, gfn);

    if (level < 3 && descend(&to, &slot, 3) && level < 2 && descend(&to, &slot, 2) && level < 1)
        descend(&to, &slot, 1);
    return slot;
}

/* The same, out of line. */
struct slot table_find(const struct p2m *p2m, gfn_t gfn, unsigned level);

/* Does a change of type wait anywhere? */
static inline bool is_changing(const struct p2m *p2m)
{
    return p2m->pending.from != p2m->pending.to;
}

/* p2m_recalculate, which is seldom needed. */
static inline bool carry_out_changes(struct p2m_locked locked, gfn_t gfn)
{
    return is_changing(locked.p2m) && p2m_recalculate(locked, gfn);
}

/* The level of the topmost entry on the path to gfn that waits for a change of type; 0: none. */
unsigned table_pending_level(const struct p2m *p2m, gfn_t gfn);

/*
 * table_reserve - take `count` pages from the host, within the quota, or none.
 * table_unreserve - give back what the verb did not need after all.
 */
enum p2m_error table_reserve(struct p2m_locked locked, uint64_t count) P2M_MUST_CHECK;
void table_unreserve(struct p2m_locked locked);

/*
 * table_lend - a page from the host, within the quota, for something that is no table; INVALID_MFN
 * when there is none.
 * table_take_back - it goes back to the host; no processor ever knew it.
 */
mfn_t table_lend(struct p2m_locked locked);
void table_take_back(struct p2m_locked locked, mfn_t page);

/*
 * p2m_next_level - one step down towards gfn: where there is no table, one from the reserve is
 * filled with the pieces of what is there (1 GB into 512 x 2 MB, 2 MB into 512 x 4 KB, nothing into
 * nothing), and linked by one compare-and-swap. Only on the path asked for.
 */
struct slot p2m_next_level(struct p2m_locked locked, struct slot slot, gfn_t gfn);

/* p2m_next_level from here until `level`; the reserve must hold the missing tables. */
static inline struct slot table_reach(struct p2m_locked locked, struct slot slot, gfn_t gfn,
                                      unsigned level)
{
    while (slot.level > level)
        slot = p2m_next_level(locked, slot, gfn);
    return slot;
}

/* The same, with tables from the host; without them nothing is changed. */
static inline P2M_MUST_CHECK enum p2m_error table_split(struct p2m_locked locked, struct slot *slot,
                                                        gfn_t gfn, unsigned level)
{
    enum p2m_error error;

    if (slot->level <= level)
        return P2M_OK;
    error = table_reserve(locked, slot->level - level);
    if (error == P2M_OK)
        *slot = table_reach(locked, *slot, gfn, level);
    return error;
}

/* Could the table below this slot's entry become one entry? */
bool table_is_alike(const struct p2m *p2m, struct slot slot);

/* Make it so; the table leaves the map and is returned. */
mfn_t table_merge(struct p2m_locked locked, struct slot slot);

/* The A and D bits of all entries of a table together; of a dead one, also those that came late. */
uint64_t table_volatile_bits(const struct p2m *p2m, mfn_t table);

/* A dead table page goes back to the host. */
void table_free(struct p2m_locked locked, mfn_t table);

#endif
