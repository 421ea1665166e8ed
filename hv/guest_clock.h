/* SPDX-License-Identifier: MIT */
/*
 * The guest's clock: nanoseconds since its TSC was 0, which guest and host compute alike from the
 * same counter. Refuses to know timers, and where the guest reads its scale.
 */
#ifndef HV_GUEST_CLOCK_H
#define HV_GUEST_CLOCK_H

#include "guest.h"

/* nanoseconds = ((tsc << shift) * multiplier) >> 32 */
struct clock_scale {
    uint32_t multiplier;
    int8_t shift;
};
struct clock_scale guest_clock_scale(void);

uint64_t guest_tsc(const struct domain *domain);
uint64_t guest_time_ns(const struct domain *domain); /* the scale of all a guest's timers */

#endif
