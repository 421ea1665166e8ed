/* SPDX-License-Identifier: MIT */
/*
 * A guest has touched more than it has, and its balloon is not there yet, or never will be: it
 * waits, where it is, for people to give it more. Refuses to know how memory is given.
 */
#ifndef HV_PATIENCE_H
#define HV_PATIENCE_H

#include "guest.h"

/*
 * patience_wait - domain->on_dry: until something is in hand.
 *   Context: P2M not held. Says so to people and by a record, and listens (target.h).
 *   Errors:  false after domain->patience_ns without.
 */
bool patience_wait(struct domain *domain);

#endif
