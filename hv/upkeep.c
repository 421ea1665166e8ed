/* SPDX-License-Identifier: MIT */
/*
 * What is done when nobody waits; see upkeep.h.
 */
#include "upkeep.h"

#include "clear.h"
#include "flush.h"
#include "gather.h"

/* ---- clearing ------------------------------------------------------------------------------- */

uint64_t upkeep_clear(struct domain *domain, uint64_t frames)
{
    uint64_t cleared = 0;

    while (cleared < frames) {
        struct p2m_locked locked = p2m_lock(&domain->p2m);
        struct pod_grant grant;
        bool is_dirty = pod_clean_begin(locked, &domain->pod, &grant);

        p2m_unlock(locked);
        if (!is_dirty)
            break;
        clear_block(grant.mfn, grant.order);
        locked = p2m_lock(&domain->p2m);
        pod_clean_end(locked, &domain->pod, &grant);
        p2m_unlock(locked);
        cleared += order_frames(grant.order);
    }
    return cleared;
}

/* ---- merging -------------------------------------------------------------------------------- */

void upkeep_merge(struct domain *domain)
{
    while (p2m_has_candidates(&domain->p2m))
        flush_merge(domain);
}

static void merge_slot(struct domain *domain, gfn_t gfn)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = p2m_merge(locked, gfn, ORDER_1G, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    if (error == P2M_OK)
        domain->slot_reason[gfn.gfn >> ORDER_1G] = SLOT_WHOLE;
}

void upkeep_merge_slots(struct domain *domain)
{
    for (uint64_t slot = 0; slot < SLOTS_MAX; slot++)
        if (domain->slot_reason[slot] == SLOT_POPULATED_IN_DEBT)
            merge_slot(domain, GFN(slot << ORDER_1G));
}

/* ---- gathering ------------------------------------------------------------------------------ */

static uint64_t frames_moved(const struct domain *domain)
{
    struct pod_events events = pod_events(&domain->pod);

    return events.moves[0] + (events.moves[1] << ORDER_2M);
}

uint64_t upkeep_gather(struct domain *domain, uint64_t frames)
{
    uint64_t before = frames_moved(domain);

    while (frames_moved(domain) - before < frames && gather_step(domain))
        ;
    return frames_moved(domain) - before;
}

/* ---- one step ------------------------------------------------------------------------------- */

bool upkeep_step(struct domain *domain)
{
    if (p2m_has_candidates(&domain->p2m)) {
        flush_merge(domain);
        return true;
    }
    return upkeep_gather(domain, order_frames(ORDER_2M)) > 0 || upkeep_clear(domain, 1) > 0;
}
