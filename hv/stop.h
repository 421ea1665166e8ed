/* SPDX-License-Identifier: MIT */
/*
 * A guest's end: whoever comes to it first says why, and no one after that.
 * Refuses to know what leads to it, and what comes after.
 */
#ifndef HV_STOP_H
#define HV_STOP_H

#include "guest.h"

/* domain_stop - the guest runs no more, for this reason; unless it has another one already. The
 * details are for people, as printf. */
void domain_stop(struct domain *domain, enum stop_reason reason, const char *details, ...)
    __attribute__((format(printf, 3, 4)));

/* The guest ended itself, as guests should. */
bool stop_is_good(enum stop_reason reason);

const char *stop_reason_name(enum stop_reason reason);

#endif
