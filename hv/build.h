/* SPDX-License-Identifier: MIT */
/*
 * The domain builder: memory in 1 GB pieces whenever they can be had, when that fails in 2 MB, and
 * when both fail in 4 KB; each aligned to the guest frame. Says for each 1 GB slot why it is not
 * one leaf. A guest that is promised more than it is to have gets marks, and the frames in hand.
 * Refuses to know what the memory is for.
 */
#ifndef HV_BUILD_H
#define HV_BUILD_H

#include "guest.h"

/*
 * build_memory - give the domain all of domain->ram, cleared; or, when it is to have less, promise
 * it, with domain->memory_frames in hand, cleared.
 *   Context: the P2M exists and is empty there; the guest has not run.
 *   Errors:  NULL when all is well, else one line for people; what was given stays given.
 */
const char *build_memory(struct domain *domain);

/* Lay out `frames` of RAM: below the hole, then from 4 GB up. Sets ram, ram_count, end, maxmem. */
void build_layout(struct domain *domain, uint64_t frames);

#endif
