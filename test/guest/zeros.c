/* SPDX-License-Identifier: MIT */
/*
 * Question: does a guest that never gives anything back, and writes little but zeroes over all that
 * it is promised, go on for ever with the little that it has, and keep every byte that is not zero?
 *
 * For any guest that is promised up to 3 GB and has an eighth of it; its balloon never acts.
 */
#include "guest.h"

const char test_name[] = "zeros: living by the sweep";

#define FROM   (16 * MB)
#define KEPT   128u /* one page in so many holds something */
#define ROUNDS 2u

static uint64_t end;

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static bool is_kept(uint64_t at)
{
    return FRAME(at) % KEPT == 5;
}

static void write_all(unsigned round)
{
    for (uint64_t at = FROM; at < end; at += PAGE) {
        *word(at) = 0;
        *word(at + PAGE - 8) = is_kept(at) ? at + round : 0;
    }
}

static void read_all(unsigned round)
{
    for (uint64_t at = FROM; at < end; at += PAGE) {
        check(*word(at) == 0, "a zero is lost", at);
        check(*word(at + PAGE - 8) == (is_kept(at) ? at + round : 0), "a page is lost", at);
    }
}

void test(void)
{
    uint64_t has = (uint64_t)host_has();
    uint64_t promised = host_account(ENTRIES) + host_account(POPULATED);

    end = promised << 12;
    check(promised > has, "this guest is promised no more than it has", 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        write_all(round);
        read_all(round);
    }
    check((uint64_t)host_has() == has, "it has more or less than at the start", 0);
    check(host_account(ENTRIES) + host_account(POPULATED) == promised, "a promise is lost", 0);
}
