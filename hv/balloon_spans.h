/* SPDX-License-Identifier: MIT */
/*
 * Guest frames that follow one another leave the map, or are promised again. Refuses to know who
 * asked, and what else was asked for.
 */
#ifndef HV_BALLOON_SPANS_H
#define HV_BALLOON_SPANS_H

#include "guest.h"

#define REGION order_frames(ORDER_2M)

/* Frames in the order in which the guest named them: from one end of the range or the other. */
struct run {
    struct gfn_range range;
    enum direction { UP, DOWN } direction;
};

/*
 * balloon_decrease_span - nothing is there afterwards, and nothing promised.
 *   Units:   a region of 2 MB, or up to P2M_DEBT_MAX frames of one.
 *   Context: P2M not held; settles its own debts.
 *   Errors:  false, and nothing has changed: a page of the host's, a pinned one, beyond the map, or
 *            no table page to split with.
 */
bool balloon_decrease_span(struct domain *domain, struct gfn_range span);

/*
 * balloon_populate_run - as much of the run as can be is promised afterwards, and in hand: the
 * first touch populates it.
 *   Units:   whole extents of 2^order frames, from the run's leading end; returns how many frames.
 *   Context: P2M not held; settles its own debts.
 *   Errors:  it ends before an extent that is not all within the guest's RAM, not all empty, with
 *            which the guest would have more than domain->memory_frames, or for which the host has
 *            no memory; what was begun of that is undone.
 */
uint64_t balloon_populate_run(struct domain *domain, struct run run, unsigned order);

#endif
