/* SPDX-License-Identifier: MIT */
/*
 * What a processor does that was started: it gets ready to run guests, and sleeps until it is given
 * a vCPU.
 * Refuses to know who gives it one.
 */
#ifndef HV_IDLE_H
#define HV_IDLE_H

/* processor_main - from processors.S, with a stack of its own, and boot.S' first map. */
_Noreturn void processor_main(unsigned number);

#endif
