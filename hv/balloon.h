/* SPDX-License-Identifier: MIT */
/*
 * Memory that a guest gives back (decrease) and takes again (populate). Guests name single frames,
 * mostly in long runs, up or down: a run is given back by one change of the map for each 2 MB of
 * it, and what has become empty is merged when the call is over, so that ballooned memory needs no
 * table pages. What is taken again is promised, and in hand: the first touch finds the largest
 * piece.
 * Refuses to know hypercall structures, and when a guest should do this.
 */
#ifndef HV_BALLOON_H
#define HV_BALLOON_H

#include "guest.h"

enum balloon_verb { BALLOON_DECREASE, BALLOON_POPULATE };

/* What the guest named: `count` extents of 2^order frames, each a gfn of 64 bits in a list. */
struct balloon_list {
    uint64_t linear; /* where the list is, in the guest */
    uint64_t count;
    unsigned order; /* 0 to 18; gfns need not be aligned to it */
};

/*
 * balloon_change - do this to the extents, in their order. Decrease: a frame goes back, into the
 * cache while the guest is in debt, else to the host; one that is not there counts as given back.
 * Populate: a mark, and a frame in hand for it, where the guest's memory map has RAM and nothing is
 * now.
 *   Units:   returns how many extents, from the first, were done; an extent is done whole.
 *   Context: P2M not held; settles its own debts. Calls domain->on_target when the guest first
 *            believes to have no more than it is to have.
 *   Errors:  it stops at an extent that it refuses, leaves that as it was and does none after it:
 *            a page of the host's, a pinned one, one beyond the map; for populate also one outside
 *            of RAM or occupied, and when the host has no memory. Of an extent of several frames
 *            that a decrease refuses, those before the refused one are gone, which asking again
 *            does not mind.
 */
uint64_t balloon_change(struct vcpu *vcpu, const struct balloon_list *list, enum balloon_verb verb);

/* How many 4K frames the guest has now: in its map, and in hand for it. */
uint64_t balloon_frames(const struct domain *domain);

#endif
