/* SPDX-License-Identifier: MIT */
/*
 * Merge candidates: noting them. Merging is public (p2m/p2m.h).
 */
#ifndef P2M_MERGE_H
#define P2M_MERGE_H

#include "entry.h"

/* A table's 512 entries continue each other: remember it, if it could be one entry. */
void merge_note_alike(struct p2m *p2m, struct slot slot, gfn_t gfn);

/* The entry of this slot, at gfn, changed: if its table is all alike now, remember that. */
static inline void merge_note(struct p2m *p2m, struct slot slot, gfn_t gfn)
{
    if (p2m_host_table_info(p2m, slot_table(p2m, slot))->joined == TABLE_ENTRIES - 1)
        merge_note_alike(p2m, slot, gfn);
}

/* What was split for a while may be merged again: this table is a candidate, though nobody notes
 * where. Merge everything later. */
void merge_mark(struct p2m *p2m, mfn_t table);

/* When candidates are merged next, every table whose record says candidate is looked at. */
void merge_everything_later(struct p2m *p2m);

#endif
