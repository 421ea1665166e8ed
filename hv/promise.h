/* SPDX-License-Identifier: MIT */
/*
 * Promising memory, a piece at a time: marks first, frames in hand afterwards, so that more than is
 * promised is never in hand. Refuses to know whose wish it is.
 */
#ifndef HV_PROMISE_H
#define HV_PROMISE_H

#include "guest.h"

/*
 * promise_mark - marks in all of the range; promise_unmark takes those very marks away again.
 *   Context: P2M not held; settle their own debts.
 *   Errors:  mark: as pod_mark; a part of it may be marked then. unmark: none.
 */
enum p2m_error promise_mark(struct domain *domain, struct gfn_range range) P2M_MUST_CHECK;
void promise_unmark(struct domain *domain, struct gfn_range range);

/*
 * promise_in_hand - so many frames are to be in hand; as many as the host has.
 *   Units:   4K frames; returns how many are in hand then.
 *   Context: P2M not held.
 */
uint64_t promise_in_hand(struct domain *domain, uint64_t frames);

#endif
