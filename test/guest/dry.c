/* SPDX-License-Identifier: MIT */
/*
 * Question: what does a guest get that takes back more than the machine has? As many extents as
 * there is memory for, each of them whole, and not a frame more; and it goes on from there.
 *
 * For a guest that is promised more than the machine has, and has a part of that.
 */
#include "guest.h"

const char test_name[] = "dry: as much as the machine has, and no more";

#define FROM   (64 * MB) /* above everything that was loaded */
#define REGION 512u
#define LIST   1024u

static uint64_t list[LIST];

struct account_now {
    uint64_t entries, cached, populated;
};

static struct account_now look(void)
{
    return (struct account_now){ host_account(ENTRIES), host_account(CACHED),
                                 host_account(POPULATED) };
}

static int64_t balloon(enum balloon verb, uint64_t gfn, uint64_t count, unsigned order)
{
    for (uint64_t i = 0; i < count; i++)
        list[i] = gfn + (i << order);
    return host_balloon(verb, list, count, order);
}

/* Until nothing is owed any more; returns how many regions that took. */
static uint64_t pay(void)
{
    struct account_now now = look();
    uint64_t regions = (now.entries - now.cached + REGION - 1) / REGION;

    check(now.entries > now.cached && regions <= LIST, "not the guest that this is about", 0);
    check(balloon(DECREASE, FRAME(FROM), regions, ORDER_2M) == (int64_t)regions, "decrease", FROM);
    return regions;
}

/* What was asked for and was not to be had is as it was. */
static int64_t take(uint64_t gfn, uint64_t count, unsigned order)
{
    struct account_now before = look(), now;
    int64_t got = balloon(POPULATE, gfn, count, order);
    uint64_t frames = (uint64_t)got << order;

    now = look();
    check(got >= 0 && (uint64_t)got < count, "the machine has all of it", gfn << 12);
    check(now.entries == before.entries + frames, "promised", now.entries << 12);
    check(now.cached == before.cached + frames, "in hand", now.cached << 12);
    check(now.populated == before.populated, "populated", now.populated << 12);
    check(host_view(gfn + frames).type == TYPE_INVALID, "more than was said", gfn << 12);
    return got;
}

void test(void)
{
    uint64_t regions = pay(), gfn = FRAME(FROM), frames;
    int64_t got = take(gfn, regions, ORDER_2M);
    volatile uint64_t *word = (volatile uint64_t *)FROM;

    check(got > 0, "nothing of it", FROM);
    check(host_view(gfn).type == TYPE_POD, "said, and not there", FROM);
    frames = (uint64_t)got * REGION;
    got = take(gfn + frames, LIST, ORDER_4K);
    check(got < REGION, "a region more could have been had", FROM);
    frames += (uint64_t)got;
    check(take(gfn + frames, 1, ORDER_4K) == 0, "there was one more", FROM);
    for (uint64_t i = 0; i < frames * PAGE / sizeof(*word); i += 511)
        check(word[i] == 0, "not zero", FROM + i * sizeof(*word));
    check(balloon(DECREASE, gfn, 1, ORDER_2M) == 1, "decrease", FROM);
    check(balloon(POPULATE, gfn, 1, ORDER_2M) == 1, "what was just given back is not to be had",
          FROM);
    check(word[0] == 0, "not zero", FROM);
}
