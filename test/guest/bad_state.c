/* SPDX-License-Identifier: MIT */
/*
 * Question: what of a guest that sets bits of CR4 which the processor does not have? It gets #GP,
 * or, where the emulated processor fails to give one, it is stopped when the entry is refused.
 * Either way the guest is dead and the host is not. Expected end: triple_fault or bad_state.
 */
#include "guest.h"

const char test_name[] = "bad_state: reserved bits of CR4";

void test(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    __asm__ volatile("mov %0, %%cr4; " HYPERCALL : : "r"(value | 1ull << 30), "a"(63));
}
