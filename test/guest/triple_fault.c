/* SPDX-License-Identifier: MIT */
/*
 * Question: does a guest that faults with no handler left die with a reason, and nobody else?
 * Expected end: triple_fault.
 */
#include "guest.h"

const char test_name[] = "triple_fault: an exception, and no table to handle it";

void test(void)
{
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}
