/* SPDX-License-Identifier: MIT */
/*
 * The sweep, driven: hold, settle, read, take, settle; until something is in hand.
 * Refuses to know how zeroes are found, and who is waiting for them.
 */
#ifndef HV_RECLAIM_H
#define HV_RECLAIM_H

#include "guest.h"

/*
 * reclaim - the cache is dry: take back what is all zeroes, whole leaves before pieces of larger
 * ones.
 *   Context: P2M not held; settles its own debts.
 *   Errors:  false when nothing came into hand: there is no more such memory.
 */
bool reclaim(struct domain *domain);

/*
 * reclaim_unwritten - superpages that the guest has, and never wrote to, come back unread, a batch
 * of them.
 *   Context: as reclaim.
 *   Errors:  none: there may be no more of them.
 */
void reclaim_unwritten(struct domain *domain);

/* Somebody writes to this frame, where a sweep may hold writes off. Context: P2M not held. */
void reclaim_release(struct domain *domain, gfn_t gfn);

#endif
