/* SPDX-License-Identifier: MIT */
/*
 * Gathering, driven: leaves of the guest's that are in the way of a whole GB of the machine are
 * copied elsewhere, one at a time, while the guest goes on. Refuses to know which, and what for.
 */
#ifndef HV_GATHER_H
#define HV_GATHER_H

#include "guest.h"

/*
 * gather_step - one move of at most 2 MB, when there is one worth it.
 *   Context: P2M not held; settles its own debts. When nobody waits.
 *   Errors:  false: there is nothing to do, or something must be cleared first.
 */
bool gather_step(struct domain *domain);

#endif
