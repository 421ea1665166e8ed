/* SPDX-License-Identifier: MIT */
/*
 * Question: does a guest that writes one page in each 2 MB of all that it is promised go on with
 * the little that it has, and keep what it wrote? Where the host keeps a D bit for each 4 KB, it
 * need not read a byte to find the other 511.
 *
 * For any guest that is promised more than 64 MB and has an eighth of it; its balloon never acts.
 */
#include "guest.h"

const char test_name[] = "sparse: one page in each 2 MB";

#define FROM   (16 * MB)
#define REGION (2 * MB)

static volatile uint64_t *word(uint64_t region)
{
    return (volatile uint64_t *)(region + FRAME(region) / 512 % 512 * PAGE);
}

void test(void)
{
    uint64_t end = (host_account(ENTRIES) + host_account(POPULATED)) << 12;
    uint64_t has = (uint64_t)host_has();

    check(end >> 12 > has, "this guest is promised no more than it has", 0);
    for (uint64_t at = FROM; at < end; at += REGION)
        *word(at) = at;
    for (uint64_t at = FROM; at < end; at += REGION)
        check(*word(at) == at, "what was written is lost", at);
    check((uint64_t)host_has() == has, "it has more or less than at the start", 0);
}
