/* SPDX-License-Identifier: MIT */
/*
 * What choosing a GB to gather (gather_plan.c) and gathering it (gather.c) both ask of a leaf.
 */
#ifndef P2M_GATHER_PLACE_H
#define P2M_GATHER_PLACE_H

#include "p2m/pod.h"

#include "walk.h"

#define NOWHERE GFN(UINT64_MAX)

static inline bool leaf_is_in(const struct walk *walk, mfn_t block)
{
    return walk_kind(walk) == ENTRY_LEAF &&
           frame_align_down(entry_mfn(walk->entry).mfn, ORDER_1G) == block.mfn;
}

/* Of the slot, and where it would be if the slot were one leaf of this block. */
static inline bool leaf_is_in_place(const struct walk *walk, const struct pod_gather *gather)
{
    return frame_align_down(walk->gfn.gfn, ORDER_1G) == gather->slot.gfn &&
           entry_mfn(walk->entry).mfn - gather->block.mfn == walk->gfn.gfn - gather->slot.gfn;
}

/* Nothing has changed since it was found that there is nothing to gather. */
static inline uint64_t gather_changes(const struct pod *pod)
{
    const struct pod_events *events = &pod->events;
    uint64_t sum = events->ballooned + events->taken + pod->p2m->changes;

    for (unsigned size = 0; size < ORDER_SIZES; size++)
        sum += events->populates[size] + events->reclaimed[size];
    return sum;
}

#endif
