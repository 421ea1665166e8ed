/* SPDX-License-Identifier: MIT */
/*
 * What is done when nobody waits; see upkeep.h.
 */
#include "upkeep.h"

#include "clear.h"
#include "flush.h"
#include "gather.h"
#include "slots.h"
#include "types.h"

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

/* What has become one entry again is in pieces for no reason; what comes next has its own. */
static void forget_reasons(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);

    for (uint64_t slot = 0; slot < slot_count(domain); slot++)
        if (domain->slot_reason[slot] != SLOT_WHOLE &&
            p2m_get_entry(p2m_locked_walking(locked), GFN(slot << ORDER_1G)).order >= ORDER_1G)
            domain->slot_reason[slot] = SLOT_WHOLE;
    p2m_unlock(locked);
}

static void merge_candidates(struct domain *domain)
{
    flush_merge(domain);
    forget_reasons(domain);
}

void upkeep_merge(struct domain *domain)
{
    while (p2m_has_candidates(&domain->p2m))
        merge_candidates(domain);
}

/* A debt's worth a call, the lock free in between. */
static void merge_small(struct domain *domain, gfn_t slot)
{
    gfn_t gfn = slot, end = gfn_add(slot, order_frames(ORDER_1G));

    while (gfn.gfn < end.gfn) {
        struct p2m_debt debt = P2M_NO_DEBT;
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        for (; gfn.gfn < end.gfn; gfn = gfn_add(gfn, order_frames(ORDER_2M)))
            if (p2m_merge(locked, gfn, ORDER_2M, &debt) == P2M_DEBT_FULL)
                break;
        p2m_unlock(locked);
        flush_settle(domain, &debt);
    }
}

static void merge_slot(struct domain *domain, gfn_t gfn)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);

    if (p2m_merge(locked, gfn, ORDER_1G, &debt) == P2M_OK)
        domain->slot_reason[gfn.gfn >> ORDER_1G] = SLOT_WHOLE;
    p2m_unlock(locked);
    flush_settle(domain, &debt);
}

void upkeep_merge_slots(struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);

    if (pod_in_debt(&account))
        return;
    domain->merge_slots_later = false;
    for (uint64_t slot = 0; slot < slot_count(domain); slot++)
        if (domain->slot_reason[slot] != SLOT_WHOLE &&
            domain->slot_reason[slot] != SLOT_SPLIT_BY_TEST) {
            if (domain->pod_debt_order < ORDER_2M)
                merge_small(domain, GFN(slot << ORDER_1G));
            merge_slot(domain, GFN(slot << ORDER_1G));
        }
}

/* Somebody else paid than the balloon: the guest's target was raised. */
static bool debt_was_paid(const struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);

    return domain->merge_slots_later && !pod_in_debt(&account);
}

/* ---- gathering ------------------------------------------------------------------------------ */

uint64_t upkeep_gather(struct domain *domain, uint64_t frames)
{
    uint64_t copied = 0, step = 1;

    while (copied < frames && step > 0) {
        step = gather_step(domain);
        copied += step;
    }
    return copied;
}

/* ---- one step ------------------------------------------------------------------------------- */

bool upkeep_step(struct domain *domain)
{
    if (types_step(domain))
        return true;
    if (p2m_has_candidates(&domain->p2m)) {
        merge_candidates(domain);
        return true;
    }
    if (debt_was_paid(domain)) {
        upkeep_merge_slots(domain);
        return true;
    }
    return upkeep_gather(domain, order_frames(ORDER_2M)) > 0 || upkeep_clear(domain, 1) > 0;
}
