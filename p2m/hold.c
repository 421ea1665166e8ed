/* SPDX-License-Identifier: MIT */
/*
 * Letting go of what is held. Through the funnel itself: a pin must not keep the guest from its own
 * memory. Refuses to know why it was held.
 */
#include "hold.h"

#include "p2m/pod.h"

#include "entry.h"
#include "walk.h"

void hold_release(struct p2m *p2m, gfn_t from, gfn_t end)
{
    for_each_p2m_entry (w, p2m, from, end)
        if (p2m_type_is_held(entry_type(w.entry)))
            entry_retype(p2m, walk_slot(&w), P2M_RAM_RW);
}

void pod_release(struct p2m_locked locked, struct pod *pod, gfn_t gfn)
{
    ASSERT(locked.p2m == pod->p2m);
    if (gfn.gfn < locked.p2m->config.end.gfn)
        hold_release(locked.p2m, gfn, gfn_add(gfn, 1));
}
