/* SPDX-License-Identifier: MIT */
/*
 * For tiny guests with a second vCPU on a processor of its own: starting it, and the calls that are
 * about it (hv/test_processors.h). It must not call check(), which counts for one only.
 */
#ifndef TEST_GUEST_SECOND_H
#define TEST_GUEST_SECOND_H

#include "guest.h"

/* What the second vCPU does from now on; it never returns. */
int64_t second_begin(void (*main)(void));

/* Another frame under this gfn, which begins with the value; told to nobody who may know the old
 * one, until host_settle. */
int64_t host_remap(uint64_t gfn, uint64_t value);
int64_t host_remap_untold(uint64_t gfn, uint64_t value);
int64_t host_settle(void);

/* Of the second vCPU: how often it has left guest mode, and how often its processor was kicked. */
int64_t second_exits(void);
int64_t second_kicks(void);
int64_t second_kick(void);

/* Until *counter has risen by so much; false: it has not, for a very long time. */
bool wait_for(volatile uint64_t *counter, uint64_t more);

#endif
