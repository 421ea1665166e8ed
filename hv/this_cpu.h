/* SPDX-License-Identifier: MIT */
/*
 * Which of the machine's processors this is. The task register knows: each processor has a TSS of
 * its own in the one GDT, and no entry or exit of a guest's loses that.
 * Refuses to know what a processor does.
 */
#ifndef HV_THIS_CPU_H
#define HV_THIS_CPU_H

#include <stdint.h>

#include "limits.h"

/* The selectors that trap_init loads; a vendor's file wants them as host state. */
#define SELECTOR_CODE        0x08u
#define SELECTOR_DATA        0x10u
#define SELECTOR_TSS(number) (0x18u + (number)*16)

/* From 0, the one that booted. Context: after trap_init. */
static inline unsigned cpu_number(void)
{
    uint16_t selector;

    __asm__ volatile("str %0" : "=r"(selector));
    return (selector - SELECTOR_TSS(0)) / 16;
}

/* boot.S' stacks, one each; below each is a page that is not mapped. */
#define STACK_GUARD 0x1000u
#define STACK_SIZE  0x8000u

extern char boot_stacks[CPUS_MAX][STACK_GUARD + STACK_SIZE];

#endif
