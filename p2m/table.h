/* SPDX-License-Identifier: MIT */
/*
 * The radix tree: find, link, split, merge, free, and the table pages that this takes. Knows no
 * types: an entry is empty, a mark, a leaf or a table, and its pieces are pte.h's business.
 */
#ifndef P2M_TABLE_H
#define P2M_TABLE_H

#include "entry.h"

/* The deepest existing slot for gfn, at this level or above. */
struct slot table_find(const struct p2m *p2m, gfn_t gfn, unsigned level);

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
 * p2m_next_level - one step down towards slot.gfn: where there is no table, one from the reserve is
 * filled with the pieces of what is there (1 GB into 512 x 2 MB, 2 MB into 512 x 4 KB, nothing into
 * nothing), and linked by one compare-and-swap. Only on the path asked for.
 */
struct slot p2m_next_level(struct p2m_locked locked, struct slot slot);

/* p2m_next_level from here until `level`; the reserve must hold the missing tables. */
static inline struct slot table_reach(struct p2m_locked locked, struct slot slot, unsigned level)
{
    while (slot.level > level)
        slot = p2m_next_level(locked, slot);
    return slot;
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
