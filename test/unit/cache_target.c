/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache_target.c: what is in hand follows its target, up and down, and goes when it must.
 */
#include "cache_fixture.h"

static enum p2m_error cache_target(struct fixture *fixture, uint64_t frames)
{
    enum p2m_error error = pod_set_cache_target(fixture->locked, &pod, frames);
    struct pod_account account = pod_account(&pod);

    expect_cache_sound(fixture);
    assert_true(account.cached + account.granted <= account.entries || error == P2M_AGAIN);
    return error;
}

/* However many calls it takes. */
static void reach(struct fixture *fixture, uint64_t frames)
{
    enum p2m_error error;

    do {
        error = cache_target(fixture, frames);
    } while (error == P2M_AGAIN);
    must(error);
    assert_int_equal(pod_account(&pod).cached, frames);
}

/* ---- the cache's target, up ----------------------------------------------------------------- */

static void up_by_1g_then_2m_then_4k(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    put_mark(f, 1, ORDER_1G);
    give_plenty();
    must(cache_target(f, FRAMES_1G + 2 * FRAMES_2M + 3));
    expect_blocks(1, 2, 3);
    reach(f, 2 * FRAMES_1G);
    expect_blocks(1, 2 + 509 + 1, 0); /* 3 and 509 frames grew together */
}

static void up_by_the_next_size_where_the_host_has_none(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    memory_give_frames(ORDER_2M, 3);
    memory_give_frames(ORDER_4K, 40);
    expect_error(cache_target(f, FRAMES_1G), P2M_EMPTY);
    expect_blocks(0, 3, 40);
}

static void up_works_as_long_as_the_host_has_a_frame(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_2M);
    memory_give_frames(ORDER_4K, 1);
    must(cache_target(f, 1));
    expect_blocks(0, 0, 1);
    must(cache_target(f, 1));
    expect_error(cache_target(f, 2), P2M_EMPTY);
    expect_blocks(0, 0, 1);
}

/* The page that was reserved for a block that did not come is no longer held. */
static void a_host_without_a_frame_has_its_pages_back(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_2M);
    expect_error(cache_target(f, 1), P2M_EMPTY);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
}

static void what_comes_from_the_host_is_dirty(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    put_mark(f, 1, ORDER_1G);
    give_plenty();
    must(cache_target(f, FRAMES_1G + FRAMES_2M + 1));
    expect_clean(0);
}

static void more_than_is_marked_is_never_in_hand(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_2M);
    put_mark(f, 512, ORDER_4K);
    give_plenty();
    must(cache_target(f, UINT64_MAX));
    expect_blocks(0, 1, 1);
}

static void nothing_marked_means_nothing_in_hand(void **state)
{
    struct fixture *f = *state;

    give_plenty();
    must(cache_target(f, FRAMES_2M));
    expect_blocks(0, 0, 0);
    add(f, GB(1), ORDER_2M, POD_CLEAN);
    must(cache_target(f, FRAMES_2M));
    expect_blocks(0, 0, 0);
    expect_freed(1, FRAMES_2M);
}

/* What was taken out to be cleared comes back, or is mapped: its mark is spoken for. */
static void what_is_granted_is_not_taken_from_the_host_again(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    put_mark(f, 0, ORDER_2M);
    put_mark(f, 1, ORDER_2M);
    give_plenty();
    must(cache_target(f, 2 * FRAMES_2M));
    assert_true(pod_clean_begin(f->locked, &pod, &grant));
    must(cache_target(f, 2 * FRAMES_2M));
    assert_int_equal(pod_account(&pod).cached, FRAMES_2M);
    pod_clean_end(f->locked, &pod, &grant);
    expect_cache_sound(f);
    expect_blocks(0, 2, 0);
    expect_clean(FRAMES_2M);
    expect_freed(0, 0);
}

static void up_stops_after_so_many_blocks_and_goes_on(void **state)
{
    struct fixture *f = *state;
    uint64_t target = 2 * POD_TARGET_STEPS + 5, calls = 0;

    put_mark(f, 0, ORDER_1G);
    memory_give_frames(ORDER_4K, PLENTY);
    while (cache_target(f, target) == P2M_AGAIN) {
        calls++;
        assert_int_equal(pod_account(&pod).cached, calls * POD_TARGET_STEPS);
    }
    assert_int_equal(calls, 2);
    expect_blocks(0, 2, 5);
}

/* The last of them is no reason to call once more. */
static void up_by_just_so_many_blocks_is_done(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    memory_give_frames(ORDER_4K, PLENTY);
    must(cache_target(f, POD_TARGET_STEPS));
}

static void up_without_a_page_for_a_node_keeps_what_came(void **state)
{
    struct fixture *f = *state;
    uint64_t quota = f->p2m.config.table_quota, cached;

    for (uint64_t i = 0; i < 4; i++)
        put_mark(f, i, ORDER_1G);
    memory_give_frames(ORDER_1G, PLENTY);
    f->p2m.config.table_quota = f->p2m.counts.tables;
    expect_error(cache_target(f, FRAMES_1G), P2M_NO_MEMORY);
    expect_blocks(0, 0, 0);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    f->p2m.config.table_quota = f->p2m.counts.tables + 2;
    for (uint64_t i = 1; pod_cache_reserve(f->locked, &pod, 2) == P2M_OK; i++)
        pod_cache_add(f->locked, &pod, mfn_add(GB(i), 512), ORDER_4K, POD_CLEAN);
    cached = pod_account(&pod).cached;
    expect_error(cache_target(f, 4 * FRAMES_1G), P2M_NO_MEMORY);
    expect_blocks(1, 0, cached);
    f->p2m.config.table_quota = quota;
    memory_fail_allocation(1);
    expect_error(cache_target(f, 4 * FRAMES_1G), P2M_NO_MEMORY);
    expect_blocks(1, 0, cached);
    memory_give_frames(ORDER_4K, PLENTY);
    memory_give_frames(ORDER_2M, PLENTY);
    reach(f, 4 * FRAMES_1G);
}

/* ---- the cache's target, down --------------------------------------------------------------- */

static void down_by_1g_then_2m_then_4k(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 512; i++)
        put_mark(f, i, ORDER_2M);
    for (uint64_t i = 1; i < 3; i++)
        put_mark(f, i, ORDER_1G);
    pod.max_order = ORDER_4K; /* no mark needs a block: the rule alone */
    give_plenty();
    must(cache_target(f, 2 * FRAMES_1G + 2 * FRAMES_2M + 5));
    must(cache_target(f, FRAMES_1G + FRAMES_2M + 2));
    expect_blocks(1, 1, 2);
    expect_freed(5, FRAMES_1G + FRAMES_2M + 3);
    must(cache_target(f, FRAMES_1G));
    expect_blocks(1, 0, 0);
    reach(f, 3);
    expect_blocks(0, 0, 3);
    expect_freed(5 + 3 + 511 + 509, 2 * FRAMES_1G + 2 * FRAMES_2M + 2);
}

static void down_keeps_the_block_that_a_mark_needs(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 2; i++)
        put_mark(f, i, ORDER_1G);
    memory_give_frames(ORDER_1G, 1);
    memory_give_frames(ORDER_2M, 511);
    memory_give_frames(ORDER_4K, 512);
    reach(f, 2 * FRAMES_1G);
    expect_blocks(1, 512, 0);
    must(cache_target(f, FRAMES_1G));
    expect_blocks(1, 0, 0);
}

static void down_stops_after_so_many_blocks_and_goes_on(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    add_frames(f, mfn_add(GB(1), 1), 511, POD_CLEAN);
    add_frames(f, mfn_add(GB(2), 1), 511, POD_CLEAN);
    expect_error(cache_target(f, 0), P2M_AGAIN);
    expect_freed(POD_TARGET_STEPS, POD_TARGET_STEPS);
    must(cache_target(f, 0));
    expect_freed(2 * 511, 2 * 511);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
}

/* Also where up would do as well: a block is never exchanged for another. */
static void a_target_that_is_met_moves_nothing(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    give_plenty();
    add_2m(f, 3, POD_CLEAN);
    must(cache_target(f, 3 * FRAMES_2M));
    expect_blocks(0, 3, 0);
    expect_clean(3 * FRAMES_2M);
    expect_freed(0, 0);
}

/* ---- surplus, and the end ------------------------------------------------------------------- */

static void trim(struct fixture *fixture)
{
    trim_to_the_end(fixture->locked, &pod);
    expect_cache_sound(fixture);
}

static void a_trim_gives_what_no_mark_can_take_to_the_host(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    put_mark(f, 512, ORDER_2M);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    trim(f);
    expect_freed(0, 0);
    take_mark(f, 0, ORDER_1G);
    trim(f);
    expect_blocks(0, 1, 0);
    expect_freed(511, FRAMES_1G - FRAMES_2M);
    take_mark(f, 512, ORDER_2M);
    trim(f);
    expect_freed(512, FRAMES_1G);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
}

static void a_trim_leaves_room_for_what_is_granted(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    put_mark(f, 0, ORDER_2M);
    put_mark(f, 1, ORDER_2M);
    add_2m(f, 2, POD_DIRTY);
    assert_true(pod_clean_begin(f->locked, &pod, &grant));
    take_mark(f, 0, ORDER_2M);
    trim(f);
    expect_blocks(0, 0, 0);
    take_mark(f, 1, ORDER_2M);
    trim(f);
    pod_clean_end(f->locked, &pod, &grant);
    expect_cache_sound(f);
    expect_blocks(0, 0, 0);
    expect_freed(2, 2 * FRAMES_2M);
}

static void all_goes_to_the_host_and_nothing_breaks(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    add(f, GB(1), ORDER_1G, POD_DIRTY);
    add_2m(f, 600, POD_CLEAN);
    add_frames(f, GB(3), 700, POD_CLEAN);
    empty_to_the_end(f->locked, &pod);
    expect_blocks(0, 0, 0);
    expect_freed(1 + 601 + 188, FRAMES_1G + 601 * FRAMES_2M + 188);
    assert_int_equal(memory_freed().order, ORDER_4K);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    empty_to_the_end(f->locked, &pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(up_by_1g_then_2m_then_4k),
        CACHE_FOR_BOTH_FORMATS(up_by_the_next_size_where_the_host_has_none),
        CACHE_FOR_BOTH_FORMATS(up_works_as_long_as_the_host_has_a_frame),
        CACHE_FOR_BOTH_FORMATS(a_host_without_a_frame_has_its_pages_back),
        CACHE_FOR_BOTH_FORMATS(what_comes_from_the_host_is_dirty),
        CACHE_FOR_BOTH_FORMATS(more_than_is_marked_is_never_in_hand),
        CACHE_FOR_BOTH_FORMATS(nothing_marked_means_nothing_in_hand),
        CACHE_FOR_BOTH_FORMATS(what_is_granted_is_not_taken_from_the_host_again),
        CACHE_FOR_BOTH_FORMATS(up_stops_after_so_many_blocks_and_goes_on),
        CACHE_FOR_BOTH_FORMATS(up_by_just_so_many_blocks_is_done),
        CACHE_FOR_BOTH_FORMATS(up_without_a_page_for_a_node_keeps_what_came),
        CACHE_FOR_BOTH_FORMATS(down_by_1g_then_2m_then_4k),
        CACHE_FOR_BOTH_FORMATS(down_keeps_the_block_that_a_mark_needs),
        CACHE_FOR_BOTH_FORMATS(down_stops_after_so_many_blocks_and_goes_on),
        CACHE_FOR_BOTH_FORMATS(a_target_that_is_met_moves_nothing),
        CACHE_FOR_BOTH_FORMATS(a_trim_gives_what_no_mark_can_take_to_the_host),
        CACHE_FOR_BOTH_FORMATS(a_trim_leaves_room_for_what_is_granted),
        CACHE_FOR_BOTH_FORMATS(all_goes_to_the_host_and_nothing_breaks),
    };

    return cmocka_run_group_tests_name("cache_target", tests, NULL, NULL);
}
