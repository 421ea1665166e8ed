/* SPDX-License-Identifier: MIT */
/*
 * The funnel: the sole function that stores to a live entry, and the sole owner of the counts that
 * follow from it. Does not know why an entry changes (p2m.c).
 */
#ifndef P2M_ENTRY_H
#define P2M_ENTRY_H

#include "pte.h"

/*
 * entry_change - the funnel. If the entry still holds *old it becomes `new`, and the counts follow;
 * if not (the processor may have set A or D), *old is what it holds now.
 */
bool entry_change(struct p2m *p2m, struct slot slot, uint64_t *old, uint64_t new) P2M_MUST_CHECK;

/* The same, until it has worked; returns the old entry with every A and D set up to then. */
static inline uint64_t entry_exchange(struct p2m *p2m, struct slot slot, uint64_t new)
{
    uint64_t old = slot_read(slot);

    while (!entry_change(p2m, slot, &old, new))
        ;
    return old;
}

/* Another type for the same frames, in one step: what the processor noted of them stays. */
void entry_retype(struct p2m *p2m, struct slot slot, enum p2m_type type);

/* Fill a page that nobody can see yet with the 512 pieces of an entry, and its record with them. */
void entry_fill_table(struct p2m *p2m, mfn_t table, uint64_t entry, unsigned level);

/* What one entry adds to the counts, all below it included. */
struct p2m_counts entry_counts(const struct p2m *p2m, uint64_t entry, unsigned level);

/* In arrays by class; not of P2M_CLASS_NONE, which none of them counts. */
static inline unsigned class_index(enum p2m_class class)
{
    return class - P2M_CLASS_RAM;
}

/* 4K frames of one class. */
static inline uint64_t counts_frames(const struct p2m_counts *counts, enum p2m_class class)
{
    const uint64_t *leaves = counts->leaves[class_index(class)];

    return leaves[0] + (leaves[1] << ORDER_2M) + (leaves[2] << ORDER_1G);
}

/* One more table, and what its record says of its entries, joins these counts. */
void counts_add_table(struct p2m_counts *counts, const struct p2m_table_info *info, unsigned level);

/* The class counts of a table's own entries and of its neighbours, from the entries themselves. */
struct p2m_table_info table_recount(const struct p2m *p2m, mfn_t table, unsigned level);

#endif
