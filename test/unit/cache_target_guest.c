/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache_target.c: what a target of the whole guest means for what is in hand.
 */
#include "cache_fixture.h"

static enum p2m_error guest_target(struct fixture *fixture, uint64_t frames)
{
    enum p2m_error error = pod_set_target(fixture->locked, &pod, frames);

    expect_cache_sound(fixture);
    return error;
}

/* ---- the guest's target --------------------------------------------------------------------- */

/*
 * The rules are those that are published of Xen, and named here one by one; but for one thing that
 * differs on purpose. There a builder sets the target first, while nothing is populated and any
 * target is accepted, and then marks; so more can be in hand than was promised. Here the marks come
 * first, and what is in hand follows them at every moment. Its rule on devices that pass through
 * has nothing here to hold for.
 */

/* RAM in the map, from anywhere: 2 MB at the nth place. */
static void populate(struct fixture *fixture, uint64_t n)
{
    must(set(fixture, GFN(n << ORDER_2M), mfn_add(GB(30), n << ORDER_2M), ORDER_2M, P2M_RAM_RW));
}

static void a_target_before_any_mark_does_nothing(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    must(guest_target(f, 4 * FRAMES_2M));
    expect_blocks(0, 0, 0);
    put_mark(f, 0, ORDER_2M);
    put_mark(f, 1, ORDER_2M);
    must(guest_target(f, FRAMES_2M));
    expect_blocks(0, 1, 0);
}

/* The balloon fetches its frames itself: there is nothing left that could be populated. */
static void a_guest_without_a_mark_keeps_what_it_has(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    populate(f, 0);
    must(guest_target(f, 4 * FRAMES_2M));
    must(guest_target(f, 0));
    expect_blocks(0, 0, 0);
    add(f, GB(1), ORDER_2M, POD_CLEAN); /* its last mark has just gone: a trim is what is due */
    must(guest_target(f, 4 * FRAMES_2M));
    expect_blocks(0, 1, 0);
    expect_freed(0, 0);
}

/* What Xen asks of its own flag is seen here from the map: at its end no mark is left. */
static void a_guest_at_its_end_gets_nothing(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    put_mark(f, 0, ORDER_1G);
    must(guest_target(f, FRAMES_1G));
    empty_to_the_end(f->locked, &pod);
    take_mark(f, 0, ORDER_1G);
    must(guest_target(f, FRAMES_1G));
    expect_cache_sound(f);
    expect_blocks(0, 0, 0);
}

static void less_than_the_guest_has_is_left_to_its_balloon(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    for (uint64_t i = 1; i < 8; i++)
        put_mark(f, i, ORDER_2M);
    populate(f, 0);
    must(guest_target(f, 4 * FRAMES_2M));
    expect_blocks(0, 3, 0);
    must(guest_target(f, 4 * FRAMES_2M - 1));
    must(guest_target(f, FRAMES_2M));
    must(guest_target(f, 0));
    expect_blocks(0, 3, 0);
    expect_freed(0, 0);
}

static void what_is_not_populated_of_the_target_is_in_hand(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    for (uint64_t i = 2; i < 8; i++)
        put_mark(f, i, ORDER_2M);
    populate(f, 0);
    populate(f, 1);
    must(guest_target(f, 5 * FRAMES_2M + 7));
    expect_blocks(0, 3, 7);
    must(guest_target(f, 5 * FRAMES_2M + 8));
    expect_blocks(0, 3, 8);
}

static void more_than_was_promised_is_not_given(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    for (uint64_t i = 1; i < 4; i++)
        put_mark(f, i, ORDER_2M);
    populate(f, 0);
    must(guest_target(f, 5 * FRAMES_2M));
    expect_blocks(0, 3, 0);
    must(guest_target(f, UINT64_MAX));
    expect_blocks(0, 3, 0);
}

/* What is owed is on its way into hand, or to the host: until then it is the guest's. */
static void what_is_owed_counts_as_populated(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    put_mark(f, 1, ORDER_2M);
    put_mark(f, 2, ORDER_2M);
    populate(f, 0);
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD));
    must(guest_target(f, 2 * FRAMES_2M));
    expect_blocks(0, 1, 0);
    fixture_settle(f); /* the host took it */
    must(guest_target(f, 2 * FRAMES_2M));
    expect_blocks(0, 2, 0);
}

static void what_is_granted_counts_as_populated(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    give_plenty();
    for (uint64_t i = 0; i < 4; i++)
        put_mark(f, i, ORDER_2M);
    must(guest_target(f, 2 * FRAMES_2M));
    assert_int_equal(pod_demand_populate(f->locked, &pod, GFN(0), &grant), P2M_UNCLEAN);
    must(guest_target(f, 2 * FRAMES_2M));
    expect_blocks(0, 1, 0);
    must(pod_finish_populate(f->locked, &pod, &grant));
    must(guest_target(f, 2 * FRAMES_2M));
    expect_blocks(0, 1, 0);
    must(guest_target(f, 3 * FRAMES_2M));
    expect_blocks(0, 2, 0);
}

/* A guest that is paid up, and overwrote a few of its marks: then more is in hand than is promised,
 * until the target is set once more. That is a shrink, and no surprise. */
static void a_raise_after_marks_were_overwritten_shrinks_what_is_in_hand(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    for (uint64_t i = 0; i < 4; i++)
        put_mark(f, i, ORDER_2M);
    must(guest_target(f, 4 * FRAMES_2M));
    populate(f, 0);
    must(guest_target(f, 5 * FRAMES_2M));
    expect_blocks(0, 3, 0);
    expect_freed(1, FRAMES_2M);
}

static void a_target_can_be_reached_in_many_calls(void **state)
{
    struct fixture *f = *state;
    unsigned calls = 1;

    put_mark(f, 0, ORDER_1G);
    memory_give_frames(ORDER_4K, PLENTY);
    for (; guest_target(f, 3 * FRAMES_2M + 9) == P2M_AGAIN; calls++)
        ;
    assert_int_equal(calls, 4);
    expect_blocks(0, 3, 9);
}

static void a_target_that_the_host_cannot_meet_says_so(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_2M);
    memory_give_frames(ORDER_4K, 100);
    expect_error(guest_target(f, FRAMES_2M), P2M_EMPTY);
    expect_blocks(0, 0, 100);
    memory_give_frames(ORDER_4K, PLENTY);
    must(guest_target(f, FRAMES_2M));
    expect_blocks(0, 1, 0);
}

/* A little too much or too little, as tools are: nobody starves, and nobody asserts. */
static void a_target_that_is_off_by_a_little_is_taken_as_it_is(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    for (uint64_t i = 1; i < 3; i++)
        put_mark(f, i, ORDER_2M);
    populate(f, 0);
    for (uint64_t off = 0; off <= 256; off += 64) {
        must(guest_target(f, 2 * FRAMES_2M - off));
        must(guest_target(f, 2 * FRAMES_2M + off));
        assert_int_equal(pod_account(&pod).cached, FRAMES_2M + off);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(a_target_before_any_mark_does_nothing),
        CACHE_FOR_BOTH_FORMATS(a_guest_without_a_mark_keeps_what_it_has),
        CACHE_FOR_BOTH_FORMATS(a_guest_at_its_end_gets_nothing),
        CACHE_FOR_BOTH_FORMATS(less_than_the_guest_has_is_left_to_its_balloon),
        CACHE_FOR_BOTH_FORMATS(what_is_not_populated_of_the_target_is_in_hand),
        CACHE_FOR_BOTH_FORMATS(more_than_was_promised_is_not_given),
        CACHE_FOR_BOTH_FORMATS(what_is_owed_counts_as_populated),
        CACHE_FOR_BOTH_FORMATS(what_is_granted_counts_as_populated),
        CACHE_FOR_BOTH_FORMATS(a_raise_after_marks_were_overwritten_shrinks_what_is_in_hand),
        CACHE_FOR_BOTH_FORMATS(a_target_can_be_reached_in_many_calls),
        CACHE_FOR_BOTH_FORMATS(a_target_that_the_host_cannot_meet_says_so),
        CACHE_FOR_BOTH_FORMATS(a_target_that_is_off_by_a_little_is_taken_as_it_is),
    };

    return cmocka_run_group_tests_name("cache_target_guest", tests, NULL, NULL);
}
