/* SPDX-License-Identifier: MIT */
/*
 * Question: does a guest that writes more than it has, none of it zero, wait until it is given
 * more, and then find everything as it wrote it; or is it stopped when it is given nothing?
 *
 * It ends well when its target was raised, each time that it waited, up to all that it is promised.
 */
#include "guest.h"

const char test_name[] = "greedy: more than it has";

#define FROM (16 * MB)

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

void test(void)
{
    uint64_t end = (host_account(ENTRIES) + host_account(POPULATED)) << 12;

    for (uint64_t at = FROM; at < end; at += PAGE)
        *word(at) = ~at;
    for (uint64_t at = FROM; at < end; at += PAGE)
        check(*word(at) == ~at, "what was written is not there", at);
}
