/* SPDX-License-Identifier: MIT */
/*
 * What the running guest's look-ups found, kept by size and by the low bits of the frame. Nothing
 * is ever emptied: an item of another generation is none. Refuses to know why the generation moved.
 */
#include "p2m/current.h"

#include "assert.h"

#define NEVER UINT64_MAX /* no generation comes so far */

void p2m_current_create(struct p2m_current *current, struct pod *pod)
{
    current->pod = pod;
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        for (unsigned i = 0; i < P2M_CURRENT_ITEMS; i++)
            current->item[size][i].generation = NEVER;
}

static struct p2m_current_item *item_for(struct p2m_current *current, gfn_t gfn, unsigned order)
{
    return &current->item[order_size(order)][(gfn.gfn >> order) % P2M_CURRENT_ITEMS];
}

static bool find(struct p2m_current *current, uint64_t generation, gfn_t gfn,
                 struct p2m_entry *entry)
{
    for (unsigned order = ORDER_4K; order <= ORDER_1G; order += ORDER_STEP) {
        const struct p2m_current_item *item = item_for(current, gfn, order);
        gfn_t first = GFN(frame_align_down(gfn.gfn, order));

        if (item->generation != generation || item->gfn.gfn != first.gfn)
            continue;
        *entry = item->entry;
        entry->mfn = mfn_add(item->entry.mfn, gfn.gfn - first.gfn);
        return true;
    }
    return false;
}

static void keep(struct p2m_current *current, uint64_t generation, gfn_t gfn,
                 const struct p2m_entry *entry)
{
    gfn_t first = GFN(frame_align_down(gfn.gfn, entry->order));
    struct p2m_current_item *item = item_for(current, gfn, entry->order);

    *item = (struct p2m_current_item){ generation, first, *entry };
    item->entry.mfn.mfn -= gfn.gfn - first.gfn;
}

/* The generation comes first: a settling that begins meanwhile makes old what is kept now. */
enum p2m_error p2m_gfn_to_mfn_current(struct p2m_locked locked, struct p2m_current *current,
                                      gfn_t gfn, struct p2m_entry *entry, struct pod_grant *grant)
{
    uint64_t generation = p2m_generation(locked.p2m);
    enum p2m_error error;

    ASSERT(locked.p2m == current->pod->p2m);
    if (find(current, generation, gfn, entry))
        return P2M_OK;
    error = p2m_gfn_to_mfn(locked, current->pod, gfn, entry, grant);
    if (error == P2M_OK && mfn_is_valid(entry->mfn))
        keep(current, generation, gfn, entry);
    return error;
}
