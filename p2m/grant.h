/* SPDX-License-Identifier: MIT */
/*
 * Blocks between the cache and the map: taken out of the one, not in the other yet. Refuses to know
 * what is done with them meanwhile.
 */
#ifndef P2M_GRANT_H
#define P2M_GRANT_H

#include "p2m/pod.h"

static inline void grant_start(struct pod *pod, struct pod_grant *grant, gfn_t gfn, mfn_t mfn,
                               unsigned order)
{
    *grant = (struct pod_grant){ gfn, mfn, order };
    pod->granted += order_frames(order);
}

static inline void grant_end(struct pod *pod, const struct pod_grant *grant)
{
    pod->granted -= order_frames(grant->order);
}

/* RAM left the map: nothing is populated until no processor can use it any more. */
static inline void note_unsettled(struct pod *pod, const struct p2m_debt *debt)
{
    if (debt->flush && debt->generation > pod->unsettled)
        pod->unsettled = debt->generation;
}

/* A processor may still use what was here before: then two of them would see a frame each. */
static inline bool is_settled(const struct pod *pod)
{
    return atomic_load(&pod->p2m->settled) >= pod->unsettled;
}

/* Into hand again; the host's, where there is no page for a node. */
static inline void grant_put_back(struct p2m_locked locked, struct pod *pod,
                                  const struct pod_grant *grant, enum pod_clean clean)
{
    grant_end(pod, grant);
    if (pod_cache_reserve(locked, pod, 1) == P2M_OK)
        pod_cache_add(locked, pod, grant->mfn, grant->order, clean);
    else
        p2m_host_free_frames(locked.p2m, grant->mfn, grant->order);
    pod_trim(locked, pod);
}

#endif
