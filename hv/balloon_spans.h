/* SPDX-License-Identifier: MIT */
/*
 * A span of guest frames leaves the map, or gets frames from the host: what is small enough to be
 * one change of the map. A frame comes from the place in the machine that lets its region of 2 MB
 * be one leaf again. Refuses to know who asked, and what else was asked for.
 */
#ifndef HV_BALLOON_SPANS_H
#define HV_BALLOON_SPANS_H

#include "guest.h"

#define REGION order_frames(ORDER_2M)

/* Which way the caller goes through the guest's frames, span by span. */
enum direction { UP, DOWN };

/*
 * balloon_decrease_span - nothing is there afterwards.
 *   Units:   a whole region, or up to P2M_DEBT_MAX frames of one.
 *   Context: P2M not held; settles its own debts.
 *   Errors:  false, and nothing has changed: a page of the host's, a pinned one, beyond the map,
 *            or no table page to split with.
 */
bool balloon_decrease_span(struct domain *domain, struct gfn_range span);

/*
 * balloon_populate_span - cleared frames are there afterwards.
 *   Units:   a whole region, as one leaf, or one frame.
 *   Context: P2M not held; settles its own debts.
 *   Errors:  false, and nothing has changed: outside of the guest's RAM, not empty, or the host has
 *            no block of that size.
 */
bool balloon_populate_span(struct domain *domain, struct gfn_range span, enum direction direction);

#endif
