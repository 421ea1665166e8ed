/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts of the host itself. An exception is a bug of ours: a readable dump,
 * then the end. The timer's interrupt is acknowledged, and that is all: its purpose was to wake.
 * Refuses to know guests' exceptions; those are the vendor's file and vcpu.c's.
 */
#ifndef HV_TRAP_H
#define HV_TRAP_H

#include <stdint.h>

/*
 * trap_init - own GDT, TSS and IDT; #DF, NMI and #PF get stacks of their own. Interrupts stay off.
 */
void trap_init(void);

/* The selectors that trap_init loads; a vendor's file wants them as host state. */
#define SELECTOR_CODE 0x08u
#define SELECTOR_DATA 0x10u
#define SELECTOR_TSS  0x18u

#endif
