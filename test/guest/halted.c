/* SPDX-License-Identifier: MIT */
/*
 * Question: what of a guest that halts with interrupts off? Nothing can wake it, and it did not
 * power off: a kernel ends like that when it gives up. Expected end: halted.
 */
#include "guest.h"

const char test_name[] = "halted: HLT with interrupts off";

void test(void)
{
    __asm__ volatile("cli; hlt");
}
