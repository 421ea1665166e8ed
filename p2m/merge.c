/* SPDX-License-Identifier: MIT */
/*
 * Back to superpages: which tables became alike, and turning them into one entry when the embedder
 * says that it is time. Never scans for candidates: the tables' records name them. Refuses to know
 * types, and when merging is worth it.
 */
#include "merge.h"

#include "p2m/change.h"

#include "debt.h"
#include "table.h"
#include "walk.h"

/* Where there is no room left, the last one stands for all: order 0. */
static void note(struct p2m *p2m, struct p2m_candidate candidate)
{
    if (p2m->candidate_count == P2M_CANDIDATES_MAX)
        p2m->candidate[P2M_CANDIDATES_MAX - 1] = (struct p2m_candidate){ GFN(0), 0 };
    else
        p2m->candidate[p2m->candidate_count++] = candidate;
}

void merge_mark(struct p2m *p2m, mfn_t table)
{
    p2m_host_table_info(p2m, table)->candidate = 1;
}

void merge_everything_later(struct p2m *p2m)
{
    note(p2m, (struct p2m_candidate){ .order = 0 });
}

void merge_note_alike(struct p2m *p2m, struct slot slot, gfn_t gfn)
{
    struct p2m_table_info *info = p2m_host_table_info(p2m, slot_table(p2m, slot));
    struct slot above;

    if (slot.level == ROOT_LEVEL || info->candidate)
        return;
    above = table_find(p2m, gfn, slot.level + 1);
    if (!table_is_alike(p2m, above))
        return; /* misaligned, or larger than leaves may be */
    info->candidate = 1;
    note(p2m, (struct p2m_candidate){ level_base(gfn, above.level), level_order(above.level) });
}

enum p2m_error p2m_merge(struct p2m_locked locked, gfn_t gfn, unsigned order, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct p2m_counts one_table = { .tables = 1 };
    unsigned level = order / ORDER_STEP;
    struct p2m_owed owed = { .kind = P2M_OWED_MERGED, .order = order };
    struct slot slot;

    if (order % ORDER_STEP || level == 0 || level > ROOT_LEVEL || gfn.gfn >= p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    p2m_recalculate(locked, gfn);
    slot = table_find(p2m, gfn, level);
    if (slot.level != level || !table_is_alike(p2m, slot))
        return P2M_UNEQUAL;
    if (debt->count == P2M_DEBT_MAX)
        return P2M_DEBT_FULL;
    owed.gfn = level_base(gfn, level);
    owed.table = table_merge(locked, slot);
    debt_add(p2m, debt, &owed, &one_table);
    merge_note(p2m, slot, gfn);
    return P2M_OK;
}

/* The table at this place, if it is the candidate that was noted, is none any more; merge it if it
 * still is all alike. */
static unsigned merge_candidate(struct p2m_locked locked, gfn_t gfn, unsigned level,
                                struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct slot slot = table_find(p2m, gfn, level);
    uint64_t entry = slot_read(slot);
    struct p2m_table_info *info;

    if (slot.level != level || entry_kind(p2m->config.format, entry, level) != ENTRY_TABLE)
        return 0;
    info = p2m_host_table_info(p2m, entry_mfn(entry));
    if (!info->candidate)
        return 0;
    info->candidate = 0;
    return p2m_merge(locked, gfn, level_order(level), debt) == P2M_OK;
}

/*
 * More candidates than there was room for: the records of all tables say which they are. The walk
 * goes to the end of the tables, which is beyond the end of the map. Where debt or steps end first,
 * it goes on from there; not between the last entry of a table and what is above it, for then it
 * would begin with that table again.
 */
static unsigned merge_everywhere(struct p2m_locked locked, gfn_t from, struct p2m_debt *debt,
                                 uint64_t *steps)
{
    struct p2m *p2m = locked.p2m;
    struct walk walk = walk_range(p2m, from, GFN(UINT64_MAX));
    unsigned merged = 0;

    walk.floor = 1;
    while (walk_step(&walk)) {
        bool is_table = walk_kind(&walk) == ENTRY_TABLE;
        bool is_above = is_table && walk.level > walk.floor;

        if (debt->count == P2M_DEBT_MAX || (*steps == 0 && !is_above)) {
            note(p2m, (struct p2m_candidate){ walk.gfn, 0 });
            break;
        }
        *steps -= *steps > 0;
        if (is_table && p2m_host_table_info(p2m, entry_mfn(walk.entry))->candidate)
            merged += merge_candidate(locked, walk.gfn, walk.level, debt);
    }
    return merged;
}

bool p2m_has_candidates(const struct p2m *p2m)
{
    return p2m->candidate_count > 0 && p2m->log.mode == P2M_LOG_OFF;
}

unsigned p2m_merge_candidates(struct p2m_locked locked, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    uint64_t steps = p2m->config.steps;
    unsigned merged = 0;

    while (p2m_has_candidates(p2m) && debt->count < P2M_DEBT_MAX && steps > 0) {
        struct p2m_candidate candidate = p2m->candidate[--p2m->candidate_count];

        if (candidate.order == 0) {
            if (candidate.gfn.gfn == 0)
                p2m->candidate_count = 0; /* they are among all */
            merged += merge_everywhere(locked, candidate.gfn, debt, &steps);
        } else {
            merged += merge_candidate(locked, candidate.gfn, candidate.order / ORDER_STEP, debt);
            steps--;
        }
    }
    return merged;
}
