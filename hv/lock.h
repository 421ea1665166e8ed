/* SPDX-License-Identifier: MIT */
/*
 * The host's lock: whoever runs this program's code has it, but for guest mode and for sleep. What
 * has no lock of its own (frames, domains, devices, text for people) is guarded by it.
 * Interrupts are on only where it is free, so that their handler may take it.
 * Refuses to know what it guards.
 */
#ifndef HV_LOCK_H
#define HV_LOCK_H

/* host_lock, host_unlock - in the order in which they ask, processors have it. */
void host_lock(void);
void host_unlock(void);

/* host_yield - whoever waits for it has a turn. */
void host_yield(void);

/* host_sleep - let it go, wait for an interrupt, take it again. One that came since interrupts
 * were last on counts. */
void host_sleep(void);

#endif
