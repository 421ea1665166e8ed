/* SPDX-License-Identifier: MIT */
/*
 * Question: does memory that is given back and taken again come and go exactly as it was counted,
 * whatever the order, the alignment and the direction of the list, and is it all zeroes when it
 * comes; and are the neighbours left alone, and pages that are not this guest's to give?
 */
#include "guest.h"

const char test_name[] = "balloon: exact counts, zeroes, nobody else's pages";

#define SLOT        (1 * GB)
#define FIRST       FRAME(SLOT)
#define REGION      512u
#define STORE_FRAME 0xfeffcull
#define LIST        2048u

static uint64_t list[LIST];

static const uint64_t *up(uint64_t gfn, unsigned count, unsigned order)
{
    for (unsigned i = 0; i < count; i++)
        list[i] = gfn + ((uint64_t)i << order);
    return list;
}

static const uint64_t *down(uint64_t gfn, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        list[i] = gfn + count - 1 - i;
    return list;
}

static const uint64_t *three(uint64_t a, uint64_t b, uint64_t c)
{
    list[0] = a;
    list[1] = b;
    list[2] = c;
    return list;
}

static void expect(int64_t result, int64_t wanted, const char *what)
{
    check(result == wanted, what, (uint64_t)result << 12);
}

static void expect_type(uint64_t gfn, uint64_t count, unsigned type, const char *what)
{
    for (uint64_t i = 0; i < count; i++)
        check(host_view(gfn + i).type == type, what, (gfn + i) << 12);
}

/* Every word of it; what is written then must not come back. */
static void expect_zeroes(uint64_t gfn, uint64_t count)
{
    volatile uint64_t *word = (volatile uint64_t *)(gfn << 12);
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < count * PAGE / sizeof(*word); i++) {
        wrong += word[i] != 0;
        word[i] = ~i;
    }
    check(wrong == 0, "taken memory is not zero", gfn << 12);
}

static void a_run_downwards_over_two_regions(void)
{
    uint64_t from = FIRST + REGION / 2;
    int64_t has = host_has();

    check(host_write(from - 1, 1) == 0 && host_write(from + REGION, 2) == 0, "host_write", SLOT);
    expect(host_balloon(DECREASE, down(from, REGION), REGION, 0), REGION, "decrease, down");
    expect_type(from, REGION, TYPE_INVALID, "given back and still there");
    expect(host_has(), has - REGION, "current reservation");
    check(host_read(from - 1) == 1 && host_read(from + REGION) == 2, "a neighbour changed", SLOT);
    expect(host_balloon(DECREASE, down(from, REGION), REGION, 0), REGION, "decrease, again");
    expect(host_has(), has - REGION, "current reservation, again");
    expect(host_balloon(POPULATE, down(from, REGION), REGION, 0), REGION, "populate, down");
    expect_type(from, REGION, TYPE_POD, "taken, and there before it is touched");
    expect_zeroes(from, REGION);
    expect_type(from, REGION, TYPE_RAM, "touched, and not there");
    check(host_read(from - 1) == 1 && host_read(from + REGION) == 2, "a neighbour changed", SLOT);
    expect(host_has(), has, "current reservation, at the end");
}

static void whole_regions_come_as_superpages(void)
{
    expect(host_balloon(DECREASE, up(FIRST, 2 * REGION, 0), 2 * REGION, 0), 2 * REGION, "decrease");
    check(host_view(FIRST).order >= ORDER_2M, "an empty table is left", SLOT);
    expect(host_balloon(POPULATE, up(FIRST, 2 * REGION, 0), 2 * REGION, 0), 2 * REGION, "populate");
    expect_zeroes(FIRST, 2 * REGION);
    check(host_view(FIRST).order == ORDER_2M, "not a superpage", SLOT);
    check(host_view(FIRST + REGION).order == ORDER_2M, "not a superpage", SLOT + 2 * MB);
}

static void orders_and_alignments(void)
{
    for (unsigned order = 1; order <= ORDER_2M; order++) {
        uint64_t gfn = FIRST + 5;
        unsigned count = 1024u >> order;

        expect(host_balloon(DECREASE, up(gfn, count, order), count, order), count, "decrease, odd");
        expect_type(gfn, 1024, TYPE_INVALID, "given back and still there");
        expect(host_balloon(POPULATE, up(gfn, count, order), count, order), count, "populate, odd");
        expect_zeroes(gfn, 1024);
    }
}

static void a_gigabyte_at_once(void)
{
    int64_t has = host_has();
    uint64_t gfn = (uint64_t)has < FRAME(3 * GB) ? FIRST : FRAME(2 * GB), end = gfn + FRAME(GB);

    expect(host_balloon(DECREASE, up(gfn, 1, ORDER_1G), 1, ORDER_1G), 1, "decrease 1 GB");
    expect(host_has(), has - (1 << ORDER_1G), "current reservation");
    expect(host_balloon(POPULATE, up(gfn, 1, ORDER_1G), 1, ORDER_1G), 1, "populate 1 GB");
    expect(host_has(), has, "current reservation");
    expect_zeroes(gfn, 20 * REGION); /* all that the others look at, if this is their slot */
    expect_zeroes(end - REGION, REGION);
}

/* Its target holds for what it takes; the first part of what it asked for is there. */
static void no_more_than_it_is_to_have(void)
{
    uint64_t gfn = FIRST + 4 * REGION;
    int64_t has = host_has();

    expect(host_balloon(DECREASE, up(gfn, 2 * REGION, 0), 2 * REGION, 0), 2 * REGION, "decrease");
    expect(host_target((uint64_t)has - REGION - 3), 0, "a lower target");
    expect(host_balloon(POPULATE, up(gfn, 2, ORDER_2M), 2, ORDER_2M), 0, "populate, 2 MB");
    expect(host_balloon(POPULATE, up(gfn, 2 * REGION, 0), 2 * REGION, 0), REGION - 3, "populate");
    expect(host_balloon(POPULATE, up(gfn + REGION, 1, 0), 1, 0), 0, "populate one more");
    expect(host_has(), has - REGION - 3, "current reservation");
    expect_type(gfn + REGION - 3, REGION + 3, TYPE_INVALID, "more than it is to have");
    expect(host_target((uint64_t)has), 0, "the old target");
    expect(host_balloon(POPULATE, up(gfn + REGION - 3, REGION + 3, 0), REGION + 3, 0), REGION + 3,
           "populate the rest");
    expect(host_has(), has, "current reservation, at the end");
    expect_zeroes(gfn, 2 * REGION);
}

static void a_refused_extent_ends_the_call(void)
{
    uint64_t gfn = FIRST + 8 * REGION;

    expect(host_balloon(DECREASE, three(gfn, STORE_FRAME, gfn + 2), 3, 0), 1, "decrease special");
    expect_type(gfn, 1, TYPE_INVALID, "before the refused one");
    expect_type(gfn + 2, 1, TYPE_RAM, "after the refused one");
    expect_type(STORE_FRAME, 1, TYPE_SPECIAL, "the host's page is gone");
    expect(host_balloon(POPULATE, three(gfn, gfn + 1, gfn + 3), 3, 0), 1, "populate occupied");
    expect(host_balloon(POPULATE, three(STORE_FRAME, gfn, gfn), 3, 0), 0, "populate special");
    expect(host_balloon(POPULATE, three(0xc0000, gfn, gfn), 3, 0), 0, "populate the hole");
    expect(host_balloon(POPULATE, three(0x100000, gfn, gfn), 3, 0), 0, "populate above memory");
    expect(host_balloon(POPULATE, three(1ull << 60, gfn, gfn), 3, 0), 0, "populate nowhere");
    expect(host_balloon(DECREASE, three(1ull << 60, gfn, gfn), 3, 0), 0, "decrease nowhere");
}

static void an_extent_is_populated_whole_or_not_at_all(void)
{
    uint64_t gfn = FIRST + 12 * REGION;
    int64_t has = host_has();

    expect(host_balloon(DECREASE, up(gfn, 3, ORDER_2M), 3, ORDER_2M), 3, "decrease");
    expect(host_balloon(POPULATE, up(gfn + 700, 1, 0), 1, 0), 1, "populate one in the middle");
    expect(host_balloon(POPULATE, up(gfn, 3, ORDER_2M), 3, ORDER_2M), 1, "populate around it");
    expect(host_has(), has - 2 * REGION + 1, "current reservation");
    expect_type(gfn + REGION, 700 - REGION, TYPE_INVALID, "part of a refused extent");
    expect_type(gfn + 700, 1, TYPE_POD, "what was there before");
}

#define PINNED (FIRST + 16 * REGION + 600)

/* What comes after it in the list is left alone, though it lies before it. */
static void a_pinned_frame_ends_a_run_downwards(void)
{
    uint64_t from = PINNED - 80, above = 220;

    expect(host_pin(PINNED), 0, "pin");
    check(host_write(from, 7) == 0 && host_write(PINNED - 1, 8) == 0, "host_write", from << 12);
    expect(host_balloon(DECREASE, down(from, 81 + (unsigned)above), 81 + above, 0), (int64_t)above,
           "decrease, down to a pin");
    expect_type(PINNED + 1, above, TYPE_INVALID, "above the pinned one");
    expect_type(from, 81, TYPE_RAM, "from the pinned one down");
    check(host_read(from) == 7 && host_read(PINNED - 1) == 8, "given back, and not said",
          from << 12);
    expect(host_balloon(POPULATE, up(PINNED + 1, (unsigned)above, 0), above, 0), (int64_t)above,
           "populate, above the pinned one");
    expect_zeroes(PINNED + 1, above);
}

static void a_pinned_frame_stays(void)
{
    uint64_t gfn = PINNED - 600;

    expect(host_balloon(DECREASE, up(gfn, 3 * REGION, 0), 3 * REGION, 0), 600, "decrease, pinned");
    expect_type(gfn, 600, TYPE_INVALID, "before the pinned one");
    expect_type(gfn + 600, 2 * REGION - 600, TYPE_RAM, "from the pinned one on");
    expect(host_balloon(DECREASE, up(gfn, 1, ORDER_1G), 1, ORDER_1G), 0, "decrease, pinned, large");
}

/* Each extent a run of its own. */
static const uint64_t *scattered(uint64_t gfn)
{
    for (unsigned i = 0; i < LIST; i++)
        list[i] = gfn + 2 * i;
    return list;
}

static int64_t balloon_from(enum balloon verb, uint64_t start, uint64_t count)
{
    struct {
        const uint64_t *list;
        uint64_t count;
        uint32_t order, flags;
        uint16_t domain;
    } request = { .list = list, .count = count, .domain = 0x7ff0 };

    return hypercall(12, verb | start << 6, (uint64_t)&request, 0);
}

static void a_long_call_is_exact(void)
{
    uint64_t gfn = FIRST + 32 * REGION;
    int64_t has = host_has();

    expect(host_balloon(DECREASE, scattered(gfn), LIST, 0), LIST, "decrease, scattered");
    expect(host_has(), has - (int64_t)LIST, "current reservation");
    list[1500] = STORE_FRAME;
    expect(host_balloon(POPULATE, list, LIST, 0), 1500, "populate, up to the refused one");
    expect(host_has(), has - (int64_t)LIST + 1500, "current reservation");
    expect(balloon_from(POPULATE, 1501, LIST), LIST, "the rest of the list");
    expect(host_has(), has - 1, "current reservation");
    expect(balloon_from(POPULATE, LIST, LIST), LIST, "nothing is left of the list");
    check(balloon_from(POPULATE, LIST + 1, LIST) < 0, "from beyond the list", 0);
}

static void nonsense_is_an_error(void)
{
    check(host_balloon(DECREASE, list, 1, 19) < 0, "order 19", 0);
    check(host_balloon(DECREASE, list, ~0ull, 0) < 0, "a list of everything", 0);
    check(host_balloon(POPULATE, list, 1ull << 40, ORDER_2M) < 0, "a list of too much", 0);
    expect(host_balloon(DECREASE, (const uint64_t *)(1ull << 60), 1, 0), 0, "a list nowhere");
    expect(host_balloon(DECREASE, list, 0, 0), 0, "an empty list");
}

void test(void)
{
    a_run_downwards_over_two_regions();
    whole_regions_come_as_superpages();
    orders_and_alignments();
    a_gigabyte_at_once();
    no_more_than_it_is_to_have();
    a_refused_extent_ends_the_call();
    an_extent_is_populated_whole_or_not_at_all();
    a_pinned_frame_ends_a_run_downwards();
    a_pinned_frame_stays();
    a_long_call_is_exact();
    nonsense_is_an_error();
}
