/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts of the host itself. An exception is a bug of ours: a readable dump,
 * then the end. The timer's interrupt and the kick are acknowledged, and that is all: their purpose
 * was to wake.
 * Refuses to know guests' exceptions; those are the vendor's file and vcpu.c's.
 */
#ifndef HV_TRAP_H
#define HV_TRAP_H

#include <stdint.h>

/*
 * trap_init - the calling processor is this one from now on, by its TSS; #DF, NMI and #PF get
 * stacks of their own. Interrupts stay off.
 *   Context: once on each processor; on number 0 first, which makes the tables.
 */
void trap_init(unsigned number);

#endif
