/* SPDX-License-Identifier: MIT */
/*
 * Why a slot of 1 GB is in pieces: whoever takes one apart says so, and the first cause stays.
 * Refuses to know how slots are mapped: domain.h looks.
 */
#ifndef HV_SLOTS_H
#define HV_SLOTS_H

#include "guest.h"

static inline void slot_note(struct domain *domain, gfn_t gfn, enum slot_reason reason)
{
    uint64_t slot = gfn.gfn >> ORDER_1G;

    if (slot < SLOTS_MAX && domain->slot_reason[slot] == SLOT_WHOLE)
        domain->slot_reason[slot] = (uint8_t)reason;
}

/* Does the guest's RAM fill the slot around gfn? */
static inline bool slot_is_all_ram(const struct domain *domain, gfn_t gfn)
{
    uint64_t from = frame_align_down(gfn.gfn, ORDER_1G), end = from + order_frames(ORDER_1G);

    for (unsigned i = 0; i < domain->ram_count; i++)
        if (from >= domain->ram[i].from.gfn && end <= domain->ram[i].end.gfn)
            return true;
    return false;
}

#endif
