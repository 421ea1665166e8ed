/* SPDX-License-Identifier: MIT */
/*
 * What is done for a guest when nobody waits: superpages come back, and what is in hand is cleared
 * ahead of need. In bounded steps. Refuses to know when that is.
 */
#ifndef HV_UPKEEP_H
#define HV_UPKEEP_H

#include "guest.h"

/* One step, with at most 2 MB to clear. Returns false when there is nothing left to do. */
bool upkeep_step(struct domain *domain);

/*
 * upkeep_clear - clear what is in hand and may not read as zero.
 *   Units:   4K frames; a block more than that at most, and returns how many.
 *   Context: P2M not held.
 */
uint64_t upkeep_clear(struct domain *domain, uint64_t frames);

/* All that became alike in the map becomes superpages, or nothing, again. */
void upkeep_merge(struct domain *domain);

/* The balloon has paid: slots that were populated in 2 MB leaves while it owed are 1 GB again. */
void upkeep_merge_slots(struct domain *domain);

/*
 * upkeep_gather - moves towards a whole GB of the machine, if there is one worth it.
 *   Units:   4K frames; a leaf more than that at most, and returns how many.
 *   Context: as upkeep_step.
 */
uint64_t upkeep_gather(struct domain *domain, uint64_t frames);

#endif
