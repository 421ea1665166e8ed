/* SPDX-License-Identifier: MIT */
/*
 * Question: does a guest that touches what is neither its memory nor a page of the host's die with
 * a reason? Expected end: bad_access.
 */
#include "guest.h"

const char test_name[] = "bad_access: a read in the hole below 4 GB";

void test(void)
{
    (void)*(volatile uint64_t *)(3 * GB + 512 * MB);
}
