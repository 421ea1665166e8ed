/* SPDX-License-Identifier: MIT */
/*
 * For the test calls that may take a slot apart, or put one together: the slot says so.
 */
#ifndef HV_TEST_SLOTS_H
#define HV_TEST_SLOTS_H

#include "guest_memory.h"
#include "slots.h"

/* Context: P2M not held; after the call. */
static inline void test_slot_note(struct domain *domain, gfn_t gfn)
{
    uint64_t slot = gfn.gfn >> ORDER_1G;

    if (guest_look_up(domain, gfn).order < ORDER_1G)
        slot_note(domain, gfn, SLOT_SPLIT_BY_TEST);
    else if (slot < SLOTS_MAX && domain->slot_reason[slot] == SLOT_SPLIT_BY_TEST)
        domain->slot_reason[slot] = SLOT_WHOLE;
}

#endif
