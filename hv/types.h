/* SPDX-License-Identifier: MIT */
/*
 * Changes of type are carried out: where the guest touches what waits for one, and the rest when
 * nobody waits. And the log of what it writes hears of writes. Refuses to know who asked for
 * either, and why.
 */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include "guest.h"

/* Was what stopped the guest at this frame a change of type? Then it may go on now. */
bool types_touch(struct domain *domain, gfn_t gfn);

/* A write to memory that was clean: the log knows, and it may be done. */
void types_log_write(struct domain *domain, gfn_t gfn);

/* A bounded step of what is pending; false: nothing was. Then all of it. P2M not held. */
bool types_step(struct domain *domain);
void types_finish(struct domain *domain);

#endif
