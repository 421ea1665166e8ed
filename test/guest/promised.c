/* SPDX-License-Identifier: MIT */
/*
 * Question: is promised memory there when it is touched, in any order, all zeroes, and does the
 * account follow to the frame what is touched, given back, taken again, and what the target says?
 *
 * For a guest that is promised up to 3 GB, and has 7/8 of that or some more.
 */
#include "guest.h"

const char test_name[] = "promised: there when touched, and counted to the frame";

#define FROM     (16 * MB) /* above everything that was loaded */
#define PAGES    24576u    /* touched: 96 MB */
#define STEP     9973u     /* has no divisor in common with PAGES */
#define LIST     2048u
#define REGION   512u
#define A_FEW    1000u
#define GIVEN_AT (FROM + 8 * MB) /* what is given back after it was touched: 2 MB */

#define NOT_PERMITTED 1

static uint64_t list[LIST];
static uint64_t promised; /* frames, at the start */

/* ---- the account ---------------------------------------------------------------------------- */

struct account_now {
    uint64_t entries, cached, populated;
};

static struct account_now look(void)
{
    check(host_account(GRANTED) == 0, "something is granted for good", 0);
    return (struct account_now){ host_account(ENTRIES), host_account(CACHED),
                                 host_account(POPULATED) };
}

static uint64_t has(struct account_now account)
{
    return account.cached + account.populated;
}

/* The account moved by exactly this since `before`. */
static void expect_moved(struct account_now before, int64_t entries, int64_t cached,
                         int64_t populated, const char *what)
{
    struct account_now now = look();

    check(now.entries == before.entries + (uint64_t)entries, what, now.entries << 12);
    check(now.cached == before.cached + (uint64_t)cached, what, now.cached << 12);
    check(now.populated == before.populated + (uint64_t)populated, what, now.populated << 12);
    check(now.cached <= now.entries, "more in hand than promised", now.cached << 12);
    check((uint64_t)host_has() == has(now), "current reservation", has(now) << 12);
}

/* ---- touching ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 31) * 0x9e3779b97f4a7c15ull;
    return value ^ value >> 29;
}

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static void expect_zeroes(uint64_t from, uint64_t pages)
{
    uint64_t bits = 0;

    for (uint64_t at = from; at < from + pages * PAGE; at += sizeof(uint64_t))
        bits |= *word(at);
    check(bits == 0, "memory is not zero when it comes", from);
}

static void touch_in_a_wild_order(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t at = FROM + (uint64_t)i * STEP % PAGES * PAGE;

        check(*word(at) == 0 && *word(at + PAGE - 8) == 0, "not zero at the first touch", at);
        *word(at + i % 512 * 8) = mix(at);
    }
    check(host_view(FRAME(FROM)).type == TYPE_RAM, "touched, and not there", FROM);
    check(host_view(promised - 1).type == TYPE_POD, "there, and not touched", promised << 12);
}

static void verify(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t at = FROM + (uint64_t)i * STEP % PAGES * PAGE;

        if (at < GIVEN_AT || at >= GIVEN_AT + 2 * MB)
            check(*word(at + i % 512 * 8) == mix(at), "what was written is not there", at);
    }
}

static void the_host_touches_too(void)
{
    uint64_t gfn = promised - 2;

    check(host_view(gfn).type == TYPE_POD, "there already", gfn << 12);
    check(host_read(gfn) == 0, "not zero for the host", gfn << 12);
    check(host_view(gfn).type == TYPE_RAM, "the host looked, and it is not there", gfn << 12);
    check(host_write(gfn, 7) == 0 && *word(gfn << 12) == 7, "the host's write is lost", gfn << 12);
}

/* ---- giving back, and taking again ---------------------------------------------------------- */

static void balloon(enum balloon verb, uint64_t gfn, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        list[i] = gfn + i;
    check(host_balloon(verb, list, count, 0) == count, "the balloon is refused", gfn << 12);
}

/* From the first region above what was touched that is not populated; never the same twice. */
static uint64_t untouched(unsigned count)
{
    static uint64_t next = FRAME(FROM) + PAGES;
    uint64_t gfn;

    while (next < promised && host_view(next).type != TYPE_POD)
        next += REGION;
    gfn = next;
    next += count;
    return gfn;
}

static void in_debt(void)
{
    struct account_now before = look();

    balloon(DECREASE, untouched(A_FEW), A_FEW);
    expect_moved(before, -(int64_t)A_FEW, 0, 0, "promised memory given back");
    before = look();
    balloon(DECREASE, FRAME(GIVEN_AT), REGION);
    expect_moved(before, 0, REGION, -(int64_t)REGION, "memory given back in debt");
    check(host_view(FRAME(GIVEN_AT)).type == TYPE_INVALID, "given back and there", GIVEN_AT);
    before = look();
    balloon(POPULATE, FRAME(GIVEN_AT), REGION);
    expect_moved(before, REGION, REGION, 0, "taken again in debt");
    expect_zeroes(GIVEN_AT, REGION);
}

static void pay(void)
{
    struct account_now now = look();

    while (now.entries > now.cached) {
        uint64_t debt = now.entries - now.cached;
        unsigned count = debt < LIST ? (unsigned)debt : LIST;

        balloon(DECREASE, untouched(count), count);
        expect_moved(now, -(int64_t)count, 0, 0, "a debt is paid");
        now = look();
    }
}

static void paid(void)
{
    struct account_now before = look();
    uint64_t gfn = untouched(A_FEW);

    check(before.entries == before.cached, "the debt is paid and is not", 0);
    balloon(DECREASE, gfn, A_FEW);
    expect_moved(before, -(int64_t)A_FEW, -(int64_t)A_FEW, 0, "promised memory, debt paid");
    before = look();
    balloon(DECREASE, FRAME(GIVEN_AT), 1);
    expect_moved(before, 0, 0, -1, "memory given back, debt paid");
    before = look();
    balloon(POPULATE, gfn, A_FEW);
    expect_moved(before, A_FEW, A_FEW, 0, "taken again, debt paid");
    check(host_view(gfn + 3).type == TYPE_POD, "taken, and there before it is touched", gfn << 12);
    expect_zeroes(gfn << 12, A_FEW);
    check(look().populated >= before.populated + A_FEW, "touched, and not there", gfn << 12);
    balloon(POPULATE, FRAME(GIVEN_AT), 1);
    expect_zeroes(GIVEN_AT, 1);
}

/* ---- targets -------------------------------------------------------------------------------- */

static void targets(void)
{
    struct account_now before = look();

    check(host_target(has(before) - A_FEW) == 0, "a lower target is refused", 0);
    expect_moved(before, 0, 0, 0, "a lower target is left to the balloon");
    check(host_target(has(before)) == 0, "the same target is refused", 0);
    expect_moved(before, 0, 0, 0, "the same target moves something");
    check(host_target(has(before) + A_FEW) == 0, "a higher target is refused", 0);
    expect_moved(before, 0, A_FEW, 0, "a higher target comes into hand");
    check(host_target(promised + 1) < 0, "more than is promised", 0);
    check(host_target(0) < 0, "a target of nothing", 0);
    expect_moved(before, 0, A_FEW, 0, "a refused target moves something");
}

static void no_more_than_promised(void)
{
    struct account_now before = look();

    check(host_target(promised) == 0, "all that is promised is refused", 0);
    expect_moved(before, 0, (int64_t)(before.entries - before.cached), 0, "more than is marked");
}

/* XENMEM_set_pod_target, XENMEM_get_pod_target: for whoever runs the machine. */
static void it_is_not_the_guests_to_set(void)
{
    struct account_now before = look();

    check(host_memory_op(16) == -NOT_PERMITTED, "a guest sets its own target", 0);
    check(host_memory_op(17) == -NOT_PERMITTED, "a guest asks for its own target", 0);
    expect_moved(before, 0, 0, 0, "what is not permitted moves something");
}

void test(void)
{
    struct account_now start = look();

    promised = start.entries + start.populated;
    check(start.entries > start.cached, "this guest is promised no more than it has", 0);
    touch_in_a_wild_order();
    verify();
    the_host_touches_too();
    in_debt();
    targets();
    it_is_not_the_guests_to_set();
    pay();
    paid();
    no_more_than_promised();
    verify();
}
