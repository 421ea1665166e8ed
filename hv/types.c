/* SPDX-License-Identifier: MIT */
/*
 * Carrying changes of type out; see types.h.
 */
#include "types.h"

#include "p2m/log_dirty.h"

#include "slots.h"

#define STEP 4096 /* entries: tens of microseconds */

bool types_touch(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    bool was_pending = p2m_recalculate(locked, gfn);

    p2m_unlock(locked);
    return was_pending;
}

void types_log_write(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    bool was_clean = p2m_log_dirty_write(locked, gfn);
    unsigned order = p2m_get_entry(p2m_locked_walking(locked), gfn).order;

    p2m_unlock(locked);
    if (was_clean && order < ORDER_1G)
        slot_note(domain, gfn, SLOT_LOG_DIRTY);
}

bool types_step(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    bool was_pending = p2m_is_changing(&domain->p2m);
    enum p2m_error error = p2m_finish_type_change(locked, STEP);

    p2m_unlock(locked);
    return was_pending || error != P2M_OK;
}

void types_finish(struct domain *domain)
{
    while (types_step(domain))
        ;
}
