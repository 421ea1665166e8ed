/* SPDX-License-Identifier: MIT */
/*
 * Promising memory; see promise.h. The lock is free between two calls of the engine's.
 */
#include "promise.h"

#include "flush.h"

enum p2m_error promise_mark(struct domain *domain, struct gfn_range range)
{
    enum p2m_error error = P2M_OK;

    while (error == P2M_OK && range.from.gfn < range.end.gfn) {
        struct p2m_debt debt = P2M_NO_DEBT;
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = pod_mark(locked, &domain->pod, &range, &debt);
        p2m_unlock(locked);
        flush_settle(domain, &debt);
    }
    return error;
}

/* Not the balloon's doing, and not counted as such. The cache is trimmed when the debt is paid. No
 * table is needed for the very marks that were set, and nothing is pinned there. */
void promise_unmark(struct domain *domain, struct gfn_range range)
{
    enum p2m_error error = P2M_OK;
    mfn_t none = INVALID_MFN;

    while (error == P2M_OK && range.from.gfn < range.end.gfn) {
        struct p2m_debt debt = P2M_NO_DEBT;
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = p2m_set_range(locked, &range, &none, P2M_INVALID, &debt);
        p2m_unlock(locked);
        flush_settle(domain, &debt);
    }
}

uint64_t promise_in_hand(struct domain *domain, uint64_t frames)
{
    enum p2m_error error;

    do {
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = pod_set_cache_target(locked, &domain->pod, frames);
        p2m_unlock(locked);
    } while (error == P2M_AGAIN);
    return pod_account(&domain->pod).cached;
}
