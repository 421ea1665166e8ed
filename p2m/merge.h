/* SPDX-License-Identifier: MIT */
/*
 * Merge candidates: noting them. Merging is public (p2m/p2m.h).
 */
#ifndef P2M_MERGE_H
#define P2M_MERGE_H

#include "entry.h"

/* An entry of this slot's table changed: if the table is all alike now, remember it. */
void merge_note(struct p2m *p2m, struct slot slot);

/* What was split for a while may be merged again: this table is a candidate, though nobody notes
 * where. Merge everything later. */
void merge_mark(struct p2m *p2m, mfn_t table);

/* When candidates are merged next, every table whose record says candidate is looked at. */
void merge_everything_later(struct p2m *p2m);

#endif
