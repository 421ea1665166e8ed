/* SPDX-License-Identifier: MIT */
/*
 * Question: does the host know what a guest writes, to the page, while it writes? By write
 * protection and by D bits; what is only read is not said; and when the log ends, what was one leaf
 * is one leaf again.
 *
 * For any guest whose first GB is all RAM.
 */
#include "guest.h"

const char test_name[] = "log_dirty: what the guest writes is noted";

#define FROM    (64 * MB)
#define STRIDE  (5 * MB + 3 * PAGE) /* a page here and there, in 2 MB that hold no other */
#define PAGES   40u
#define REGION  (2 * MB)
#define ROUNDS  3u /* a GB, 2 MB, 4 KB: by D bits it takes two to know the page */
#define BY_HOST (FROM - 32 * MB)

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static uint64_t page_at(unsigned index)
{
    return FROM + index * STRIDE;
}

static void write_pages(uint64_t salt)
{
    for (unsigned i = 0; i < PAGES; i++)
        *word(page_at(i)) = i ^ salt;
    check(host_write(FRAME(BY_HOST), salt) == 0, "the host can't write", BY_HOST);
}

static void read_between(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PAGES; i++)
        sum += *word(page_at(i) + PAGE);
    check(sum == 0, "not zero where nobody wrote", page_at(0));
}

/* Besides these only the pages that this guest itself is made of, all far below. */
static void expect_pages(unsigned grain)
{
    uint64_t size = PAGE << grain;

    for (unsigned i = 0; i < PAGES; i++) {
        check(host_log_says(page_at(i) / size), "written, and not said", page_at(i));
        check(!host_log_says(page_at(i) / size - 1), "said, and not written", page_at(i) - size);
        check(!host_log_says(page_at(i) / size + 1), "said, and not written", page_at(i) + size);
    }
    check(host_log_says(BY_HOST / size), "the host wrote, and it is not said", BY_HOST);
}

static void expect_values(uint64_t salt)
{
    for (unsigned i = 0; i < PAGES; i++)
        check(*word(page_at(i)) == (i ^ salt), "a write is lost", page_at(i));
    check(*word(BY_HOST) == salt, "the host's write is lost", BY_HOST);
}

static void note(enum log mode, unsigned grain, uint64_t salt)
{
    check(host_log_start(mode, grain) == 0, "start refused", mode);
    check(host_log_start(mode, grain) != 0, "started twice", mode);
    for (unsigned round = 0; round < ROUNDS; round++) {
        write_pages(salt + round);
        read_between();
        check(host_log_collect() > 0, "nothing was written", 0);
        if (mode == LOG_WRITES || round == ROUNDS - 1)
            expect_pages(grain);
    }
    host_log_collect();
    for (unsigned i = 0; i < PAGES; i++)
        check(!host_log_says(page_at(i) / (PAGE << grain)), "said twice", page_at(i));
    if (mode == LOG_WRITES)
        check(host_view(FRAME(page_at(0))).type == TYPE_LOGDIRTY, "not clean", page_at(0));
    check(host_view(FRAME(page_at(0))).order == grain, "not of the grain", page_at(0));
    expect_values(salt + ROUNDS - 1);
    check(host_log_stop() == 0, "stop refused", mode);
    check(host_view(FRAME(page_at(0))).type == TYPE_RAM, "still noted", page_at(0));
    check(host_view(FRAME(page_at(0))).dirty, "forgotten that it was written", page_at(0));
    write_pages(~salt);
    expect_values(~salt);
    for (uint64_t at = 0; at < GB && grain == ORDER_4K; at += REGION)
        check(host_has_merged(FRAME(at), ORDER_2M), "not 2 MB again", at);
    check(host_has_merged(0, ORDER_1G), "not 1 GB again", 0);
}

void test(void)
{
    check(host_log_collect() < 0, "collected, and nothing is noted", 0);
    check(host_log_stop() < 0, "stopped, and nothing is noted", 0);
    check(host_log_start(LOG_WRITES, ORDER_1G) != 0, "no such grain", 0);
    for (unsigned i = 0; i < PAGES; i++)
        *word(page_at(i)) = 0;
    check(host_merge(0, ORDER_1G) == 0 || host_view(0).order == ORDER_1G, "not one leaf", 0);
    note(LOG_WRITES, ORDER_4K, 0x1111111111111111);
    note(LOG_DIRTY_BITS, ORDER_4K, 0x2222222222222222);
    note(LOG_WRITES, ORDER_2M, 0x3333333333333333);
    note(LOG_DIRTY_BITS, ORDER_2M, 0x4444444444444444);
}
