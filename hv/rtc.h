/* SPDX-License-Identifier: MIT */
/*
 * What time it is for people: the PC's battery-backed clock, read once.
 * Refuses to know time zones: the clock is taken to hold UTC.
 */
#ifndef HV_RTC_H
#define HV_RTC_H

#include <stdint.h>

/* Seconds since 1970; 0 when there is no such clock, or it makes no sense. */
uint64_t rtc_read(void);

#endif
