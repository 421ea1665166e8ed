/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache_target.c: which block goes to the host when some of what is in hand must.
 */
#include "cache_fixture.h"

static struct pod_block give_back(struct fixture *fixture, uint64_t frames, unsigned expected_order)
{
    unsigned order = 1;
    struct pod_block block = pod_cache_give_back(fixture->locked, &pod, frames, &order);

    expect_cache_sound(fixture);
    assert_true(mfn_is_valid(block.mfn));
    assert_int_equal(order, expected_order);
    assert_true(frame_is_aligned(block.mfn.mfn, order));
    return block;
}

/* ---- which block goes ----------------------------------------------------------------------- */

static void an_empty_cache_gives_nothing_back(void **state)
{
    struct fixture *f = *state;
    unsigned order = 0;

    assert_false(mfn_is_valid(pod_cache_give_back(f->locked, &pod, 1, &order).mfn));
    EXPECT_ASSERT(pod_cache_give_back(f->locked, &pod, 0, &order));
}

static void the_largest_block_that_fits_goes(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 2, POD_CLEAN);
    add_frames(f, GB(3), 600, POD_CLEAN); /* 2 MB and 88 */
    expect_blocks(1, 3, 88);
    give_back(f, FRAMES_2M - 1, ORDER_4K);
    give_back(f, FRAMES_1G - 1, ORDER_2M);
    give_back(f, FRAMES_2M, ORDER_2M);
    assert_int_equal(give_back(f, FRAMES_1G, ORDER_1G).mfn.mfn, GB(1).mfn);
    expect_blocks(0, 1, 87);
}

static void a_block_that_a_mark_needs_stays_while_smaller_ones_are_enough(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 512, POD_CLEAN);
    for (uint64_t left = FRAMES_1G; left > 0; left -= FRAMES_2M)
        give_back(f, left, ORDER_2M);
    expect_blocks(1, 0, 0);
}

static void a_2m_block_that_a_mark_needs_stays_while_frames_are_enough(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_2M);
    add(f, GB(1), ORDER_2M, POD_DIRTY);
    add_frames(f, mfn_add(GB(3), 1), 511, POD_CLEAN);
    add_frames(f, mfn_add(GB(3), FRAMES_2M), 1, POD_CLEAN);
    for (uint64_t left = FRAMES_2M; left > 0; left--)
        give_back(f, left, ORDER_4K);
    expect_blocks(0, 1, 0);
}

static void a_needed_block_goes_whole_where_smaller_ones_are_not_enough(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 511, POD_CLEAN);
    add_frames(f, GB(3), 511, POD_CLEAN);
    give_back(f, FRAMES_1G, ORDER_1G); /* one frame is missing */
    expect_blocks(0, 511, 511);
}

static void a_block_more_than_marks_need_goes(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_1G);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add(f, GB(2), ORDER_1G, POD_CLEAN);
    add_2m(f, 512, POD_CLEAN);
    give_back(f, FRAMES_1G, ORDER_1G);
    give_back(f, FRAMES_1G, ORDER_2M);
    expect_blocks(1, 511, 0);
}

static void a_mark_of_another_size_needs_no_block_of_this(void **state)
{
    struct fixture *f = *state;

    put_mark(f, 0, ORDER_2M);
    put_mark(f, 513, ORDER_4K);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 512, POD_CLEAN);
    give_back(f, FRAMES_1G, ORDER_1G);
}

/* A 1 GB mark that may be populated by 2 MB at most has no use for a 1 GB block. */
static void a_mark_larger_than_the_policy_needs_no_block(void **state)
{
    struct fixture *f = *state;

    pod_create(&pod, &f->p2m, ORDER_2M);
    put_mark(f, 0, ORDER_1G);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 512, POD_CLEAN);
    give_back(f, FRAMES_1G, ORDER_1G);
}

static void a_mark_larger_than_the_processor_maps_needs_no_block(void **state)
{
    struct fixture *f = *state;

    f->config.max_order = ORDER_2M;
    fixture_restart(f);
    put_mark(f, 0, ORDER_1G);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 512, POD_CLEAN);
    give_back(f, FRAMES_1G, ORDER_1G);
}

static void the_smallest_block_breaks_and_only_when_none_fits(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 1, POD_CLEAN);
    add_frames(f, GB(3), 2, POD_CLEAN);
    give_back(f, 3, ORDER_4K);
    give_back(f, 2, ORDER_4K);
    expect_blocks(1, 1, 0);
    give_back(f, 1, ORDER_4K);
    expect_blocks(1, 0, 511);
    for (unsigned i = 0; i < 511; i++)
        give_back(f, FRAMES_2M, ORDER_4K);
    give_back(f, FRAMES_1G - 1, ORDER_2M);
    expect_blocks(0, 511, 0);
    while (pod_cache_counts(&pod).blocks[1] > 0)
        give_back(f, FRAMES_2M, ORDER_2M);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    give_back(f, FRAMES_2M - 1, ORDER_4K);
    expect_blocks(0, 511, 511);
}

static void a_dirty_block_goes_sooner(void **state)
{
    struct fixture *f = *state;
    mfn_t dirty = mfn_add(GB(3), 5 * FRAMES_2M);

    add(f, GB(1), ORDER_1G, POD_DIRTY);
    add(f, GB(2), ORDER_1G, POD_CLEAN);
    assert_int_equal(give_back(f, FRAMES_1G, ORDER_1G).mfn.mfn, GB(1).mfn);
    add(f, dirty, ORDER_2M, POD_DIRTY);
    add(f, GB(3), ORDER_2M, POD_CLEAN);
    add(f, GB(4), ORDER_2M, POD_CLEAN);
    assert_int_equal(give_back(f, FRAMES_2M, ORDER_2M).mfn.mfn, dirty.mfn);
    add(f, dirty, ORDER_4K, POD_DIRTY);
    add_frames(f, mfn_add(dirty, 1), 70, POD_CLEAN);
    assert_int_equal(give_back(f, 1, ORDER_4K).mfn.mfn, dirty.mfn);
    assert_int_equal(give_back(f, 1, ORDER_4K).clean, POD_CLEAN);
}

static void giving_back_asks_for_no_page(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    memory_fail_allocation(1);
    for (unsigned i = 0; i < 600; i++)
        give_back(f, 1, ORDER_4K);
    expect_blocks(0, 510, 424);
    while (pod_cache_counts(&pod).frames > 0)
        give_back(f, FRAMES_1G, pod_cache_counts(&pod).blocks[1] ? ORDER_2M : ORDER_4K);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    assert_false(mfn_is_valid(p2m_host_alloc_table(&f->p2m))); /* nobody had asked for one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(an_empty_cache_gives_nothing_back),
        CACHE_FOR_BOTH_FORMATS(the_largest_block_that_fits_goes),
        CACHE_FOR_BOTH_FORMATS(a_block_that_a_mark_needs_stays_while_smaller_ones_are_enough),
        CACHE_FOR_BOTH_FORMATS(a_2m_block_that_a_mark_needs_stays_while_frames_are_enough),
        CACHE_FOR_BOTH_FORMATS(a_needed_block_goes_whole_where_smaller_ones_are_not_enough),
        CACHE_FOR_BOTH_FORMATS(a_block_more_than_marks_need_goes),
        CACHE_FOR_BOTH_FORMATS(a_mark_of_another_size_needs_no_block_of_this),
        CACHE_FOR_BOTH_FORMATS(a_mark_larger_than_the_policy_needs_no_block),
        CACHE_FOR_BOTH_FORMATS(a_mark_larger_than_the_processor_maps_needs_no_block),
        CACHE_FOR_BOTH_FORMATS(the_smallest_block_breaks_and_only_when_none_fits),
        CACHE_FOR_BOTH_FORMATS(a_dirty_block_goes_sooner),
        CACHE_FOR_BOTH_FORMATS(giving_back_asks_for_no_page),
    };

    return cmocka_run_group_tests_name("cache_give_back", tests, NULL, NULL);
}
