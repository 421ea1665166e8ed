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
int64_t host_flush(void); /* whatever anybody knows of this guest's frames is forgotten */

/* Of the second vCPU: how often it has left guest mode, and how often its processor was kicked. */
int64_t second_exits(void);
int64_t second_kicks(void);
int64_t second_stray(void); /* and host_flush, while that processor answers it */
int64_t second_kick(void);

/* Until *counter is so much or more; false: it is not, for a very long time. */
bool wait_until(volatile uint64_t *counter, uint64_t value);

#endif
