/* SPDX-License-Identifier: MIT */
/*
 * Carrying changes of type out; see types.h.
 */
#include "types.h"

#include "p2m/change.h"

#define STEP 4096 /* entries: tens of microseconds */

bool types_touch(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    bool was_pending = p2m_recalculate(locked, gfn);

    p2m_unlock(locked);
    return was_pending;
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
