/* SPDX-License-Identifier: MIT */
/*
 * Debts: adding to them. Settling and paying are public (p2m/p2m.h).
 */
#ifndef P2M_DEBT_H
#define P2M_DEBT_H

#include "entry.h"

/* No processor may use what it has cached until a flush that begins after this. */
void debt_flush(const struct p2m *p2m, struct p2m_debt *debt);

/* One more item, and what it takes out of the counts; the caller saw to it that there is room. */
void debt_add(struct p2m *p2m, struct p2m_debt *debt, const struct p2m_owed *owed,
              const struct p2m_counts *counts);

struct p2m_change {
    unsigned level; /* of the entry that was `old` and is now `new` */
    uint64_t old, new;
};

/* What the entry at gfn named left the map: a leaf's frames, or a table and all below. No processor
 * keeps what is not present. */
void debt_add_entry(struct p2m *p2m, struct p2m_debt *debt, gfn_t gfn,
                    const struct p2m_change *change);

/* Does this debt, not settled yet, hold frames that were mapped in [gfn, gfn + frames)? */
bool debt_holds(const struct p2m *p2m, const struct p2m_debt *debt, gfn_t gfn, uint64_t frames);

#endif
