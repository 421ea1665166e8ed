/* SPDX-License-Identifier: MIT */
/*
 * The guest's clock; see guest_clock.h, and vcpu_time_info in Xen's public xen.h.
 */
#include "guest_clock.h"

#include "devices.h"

#define NS_PER_MS 1000000ull

/* The smallest shift from 1 up with which the multiplier fits: 1 from 500 MHz up. */
struct clock_scale guest_clock_scale(void)
{
    uint64_t khz = clock_tsc_khz();
    unsigned shift = 1;

    while (shift < 31 && (NS_PER_MS << (32 - shift)) / khz > UINT32_MAX)
        shift++;
    return (struct clock_scale){
        .multiplier = (uint32_t)((NS_PER_MS << (32 - shift)) / khz),
        .shift = (int8_t)shift,
    };
}

uint64_t guest_tsc(const struct domain *domain)
{
    return clock_tsc() + domain->tsc_offset;
}

/* The guest computes the same from its TSC: the two must agree to the last bit. */
uint64_t guest_time_ns(const struct domain *domain)
{
    struct clock_scale scale = guest_clock_scale();
    uint64_t ticks = guest_tsc(domain) << scale.shift;

    return (uint64_t)((unsigned __int128)ticks * scale.multiplier >> 32);
}
