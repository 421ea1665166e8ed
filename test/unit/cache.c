/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache.c: frames in hand grow together, break when nothing smaller is left, and are taken
 * where a later merge can use them.
 */
#include <string.h>

#include "cache_fixture.h"

#define PIECE(n) ((uint64_t)(n) << ORDER_2M) /* the nth 2 MB, in frames */

static void expect_block(struct pod_block block, mfn_t mfn, enum pod_clean clean)
{
    if (block.mfn.mfn != mfn.mfn || block.clean != clean)
        fail_msg("got mfn %#lx clean %u, not mfn %#lx clean %u", block.mfn.mfn, block.clean,
                 mfn.mfn, clean);
}

/* ---- growing -------------------------------------------------------------------------------- */

static void an_empty_cache_has_nothing_to_give(void **state)
{
    struct fixture *f = *state;

    for (unsigned order = 0; order <= ORDER_1G; order += ORDER_STEP)
        assert_false(mfn_is_valid(take(f, order).mfn));
    expect_blocks(0, 0, 0);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
}

static void frames_grow_into_2m_in_any_sequence(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 511; i++)
        add(f, mfn_add(GB(1), i * 213 % 512), ORDER_4K, POD_CLEAN);
    expect_blocks(0, 0, 511);
    add(f, mfn_add(GB(1), 511 * 213 % 512), ORDER_4K, POD_CLEAN);
    expect_blocks(0, 1, 0);
    expect_block(take(f, ORDER_2M), GB(1), POD_CLEAN);
}

static void blocks_grow_into_1g(void **state)
{
    struct fixture *f = *state;

    add_frames(f, mfn_add(GB(3), PIECE(17)), 512, POD_CLEAN);
    for (uint64_t i = 0; i < 512; i++)
        if (i != 17)
            add(f, mfn_add(GB(3), PIECE(i)), ORDER_2M, POD_CLEAN);
    expect_blocks(1, 0, 0);
    expect_block(take(f, ORDER_1G), GB(3), POD_CLEAN);
}

static void frames_of_two_superpages_do_not_grow_together(void **state)
{
    struct fixture *f = *state;

    add_frames(f, mfn_add(GB(1), 256), 512, POD_CLEAN);
    expect_blocks(0, 0, 512);
    assert_false(mfn_is_valid(take(f, ORDER_2M).mfn));
    expect_blocks(0, 0, 512);
}

static void a_block_is_clean_if_all_its_pieces_were(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(1), 511, POD_CLEAN);
    expect_clean(511);
    add(f, mfn_add(GB(1), 511), ORDER_4K, POD_DIRTY);
    expect_clean(0);
    expect_block(take(f, ORDER_2M), GB(1), POD_DIRTY);
}

static void a_dirty_2m_makes_its_1g_dirty_and_no_other_2m(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 512; i++)
        add(f, mfn_add(GB(1), PIECE(i)), ORDER_2M, i == 5 ? POD_DIRTY : POD_CLEAN);
    expect_blocks(1, 0, 0);
    expect_clean(PIECE(511));
    expect_block(take_for(f, ORDER_2M, GFN(PIECE(6))), mfn_add(GB(1), PIECE(6)), POD_CLEAN);
    add(f, mfn_add(GB(1), PIECE(6)), ORDER_2M, POD_CLEAN);
    expect_block(take(f, ORDER_1G), GB(1), POD_DIRTY);
}

/* ---- breaking ------------------------------------------------------------------------------- */

static void a_partial_block_is_used_before_a_whole_one_breaks(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add(f, GB(2), ORDER_2M, POD_CLEAN);
    add(f, mfn_add(GB(3), 5), ORDER_4K, POD_CLEAN);
    expect_block(take(f, ORDER_4K), mfn_add(GB(3), 5), POD_CLEAN);
    expect_blocks(1, 1, 0);
    expect_block(take(f, ORDER_4K), GB(2), POD_CLEAN);
    expect_blocks(1, 0, 511);
    expect_block(take(f, ORDER_2M), GB(1), POD_CLEAN);
    expect_blocks(0, 511, 511);
}

static void a_1g_block_breaks_into_2m_and_4k(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    expect_block(take(f, ORDER_4K), GB(1), POD_CLEAN);
    expect_blocks(0, 511, 511);
    expect_clean(PIECE(512) - 1);
    add(f, GB(1), ORDER_4K, POD_DIRTY);
    expect_blocks(1, 0, 0);
    expect_clean(PIECE(511));
}

static void no_smaller_block_stands_for_a_larger_one(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_2M, POD_CLEAN);
    add(f, GB(2), ORDER_4K, POD_CLEAN);
    assert_false(mfn_is_valid(take(f, ORDER_1G).mfn));
    expect_blocks(0, 1, 1);
    expect_block(take(f, ORDER_2M), GB(1), POD_CLEAN);
    assert_false(mfn_is_valid(take(f, ORDER_2M).mfn));
    expect_blocks(0, 0, 1);
}

/* Not audited each time: a quarter of a million frames. */
static void every_frame_of_a_1g_block_comes_once(void **state)
{
    struct fixture *f = *state;
    static uint8_t seen[1u << ORDER_1G];

    memset(seen, 0, sizeof(seen));
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    memory_fail_allocation(1); /* taking asks for no page */
    for (uint64_t i = 0; i < sizeof(seen); i++) {
        struct pod_place place = { GFN(i * 7), INVALID_MFN };
        struct pod_block block = pod_cache_get(f->locked, &pod, ORDER_4K, place);

        assert_in_range(block.mfn.mfn, GB(1).mfn, GB(2).mfn - 1);
        assert_int_equal(seen[block.mfn.mfn - GB(1).mfn]++, 0);
    }
    memory_fail_allocation(0);
    expect_cache_sound(f);
    expect_blocks(0, 0, 0);
}

/* All nodes but the free one are in use, and each break still finds its node. */
static void a_break_works_when_the_host_has_no_page_left(void **state)
{
    struct fixture *f = *state;
    uint64_t blocks = 0;

    must(pod_cache_reserve(f->locked, &pod, 1));
    f->p2m.config.table_quota = 0;
    while (pod_cache_reserve(f->locked, &pod, 1) == P2M_OK)
        pod_cache_add(f->locked, &pod, GB(++blocks), ORDER_2M, POD_CLEAN);
    assert_true(blocks > 20);
    for (uint64_t i = 0; i < PIECE(blocks); i++)
        assert_true(mfn_is_valid(take(f, ORDER_4K).mfn));
    expect_blocks(0, 0, 0);
    f->p2m.config.table_quota = f->config.table_quota;
}

/* ---- placing -------------------------------------------------------------------------------- */

static void the_frame_that_continues_is_taken(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(1), 100, POD_CLEAN);
    add_frames(f, GB(2), 100, POD_CLEAN);
    add(f, GB(3), ORDER_2M, POD_CLEAN);
    add(f, mfn_add(GB(3), PIECE(9)), ORDER_2M, POD_CLEAN);
    add(f, GB(4), ORDER_1G, POD_CLEAN);
    add(f, GB(5), ORDER_1G, POD_CLEAN);
    add(f, GB(6), ORDER_1G, POD_CLEAN);
    expect_block(take_near(f, ORDER_4K, mfn_add(GB(1), 42)), mfn_add(GB(1), 42), POD_CLEAN);
    expect_block(take_near(f, ORDER_2M, mfn_add(GB(3), PIECE(9))), mfn_add(GB(3), PIECE(9)),
                 POD_CLEAN);
    expect_block(take_near(f, ORDER_1G, GB(5)), GB(5), POD_CLEAN);
}

static void a_2m_block_breaks_for_the_frame_that_continues(void **state)
{
    struct fixture *f = *state;
    mfn_t near = mfn_add(GB(3), PIECE(9));

    add_frames(f, GB(1), 100, POD_CLEAN);
    add(f, near, ORDER_2M, POD_CLEAN);
    expect_block(take_near(f, ORDER_4K, near), near, POD_CLEAN);
    expect_blocks(0, 0, 611);
}

static void a_1g_block_does_not_break_to_continue_another(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add(f, GB(2), ORDER_1G, POD_CLEAN);
    add(f, GB(3), ORDER_2M, POD_CLEAN);
    expect_block(take_near(f, ORDER_4K, GB(1)), GB(3), POD_CLEAN);
    expect_block(take_near(f, ORDER_2M, GB(1)), GB(1), POD_CLEAN); /* nothing smaller is left */
    expect_blocks(1, 511, 511);
}

static void a_misaligned_wish_is_none(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_2M, POD_CLEAN);
    add(f, mfn_add(GB(1), PIECE(3)), ORDER_2M, POD_CLEAN);
    expect_block(take_near(f, ORDER_2M, mfn_add(GB(1), PIECE(3) + 1)), GB(1), POD_CLEAN);
}

static void blocks_are_taken_at_the_offset_of_their_gfn(void **state)
{
    struct fixture *f = *state;
    gfn_t gfn = GFN(0x345678);

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    expect_block(take_for(f, ORDER_4K, gfn), mfn_add(GB(1), gfn.gfn % PIECE(512)), POD_CLEAN);
    gfn = GFN(0x111a00);
    expect_block(take_for(f, ORDER_2M, gfn), mfn_add(GB(1), gfn.gfn % PIECE(512)), POD_CLEAN);
}

static void the_offset_is_looked_for_in_a_few_blocks(void **state)
{
    struct fixture *f = *state;

    add(f, mfn_add(GB(1), 77), ORDER_4K, POD_CLEAN);
    for (unsigned i = 2; i <= POD_CACHE_LOOKS; i++)
        add(f, GB(i), ORDER_4K, POD_CLEAN);
    expect_block(take_for(f, ORDER_4K, GFN(0x1000 + 77)), mfn_add(GB(1), 77), POD_CLEAN);
    add(f, mfn_add(GB(1), 77), ORDER_4K, POD_CLEAN);
    for (unsigned i = 0; i < POD_CACHE_LOOKS; i++)
        add(f, GB(i + 20), ORDER_4K, POD_CLEAN);
    assert_int_not_equal(take_for(f, ORDER_4K, GFN(77)).mfn.mfn, mfn_add(GB(1), 77).mfn);
}

static void a_clean_block_comes_before_a_dirty_one(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(1), 70, POD_DIRTY);
    add(f, mfn_add(GB(1), 70), ORDER_4K, POD_CLEAN);
    expect_block(take_for(f, ORDER_4K, GFN(500)), mfn_add(GB(1), 70), POD_CLEAN);
    expect_block(take_for(f, ORDER_4K, GFN(500)), GB(1), POD_DIRTY);
}

/* ---- bugs of the embedder's ----------------------------------------------------------------- */

static void frames_in_hand_are_not_added_again(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_2M, POD_CLEAN);
    add(f, GB(2), ORDER_4K, POD_CLEAN);
    add(f, GB(3), ORDER_1G, POD_CLEAN);
    must(pod_cache_reserve(f->locked, &pod, 1));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, GB(1), ORDER_2M, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, mfn_add(GB(1), 3), ORDER_4K, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, GB(2), ORDER_4K, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, GB(2), ORDER_2M, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, GB(1), ORDER_1G, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, GB(3), ORDER_1G, POD_CLEAN));
    expect_cache_sound(f);
    expect_blocks(1, 1, 1);
}

static void what_is_no_block_is_not_added(void **state)
{
    struct fixture *f = *state;

    must(pod_cache_reserve(f->locked, &pod, 1));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, mfn_add(GB(1), 1), ORDER_2M, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, GB(1), 3, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, INVALID_MFN, ORDER_4K, POD_CLEAN));
    EXPECT_ASSERT(pod_cache_add(f->locked, &pod, f->config.mfn_end, ORDER_1G, POD_CLEAN));
    expect_cache_sound(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(an_empty_cache_has_nothing_to_give),
        CACHE_FOR_BOTH_FORMATS(frames_grow_into_2m_in_any_sequence),
        CACHE_FOR_BOTH_FORMATS(blocks_grow_into_1g),
        CACHE_FOR_BOTH_FORMATS(frames_of_two_superpages_do_not_grow_together),
        CACHE_FOR_BOTH_FORMATS(a_block_is_clean_if_all_its_pieces_were),
        CACHE_FOR_BOTH_FORMATS(a_dirty_2m_makes_its_1g_dirty_and_no_other_2m),
        CACHE_FOR_BOTH_FORMATS(a_partial_block_is_used_before_a_whole_one_breaks),
        CACHE_FOR_BOTH_FORMATS(a_1g_block_breaks_into_2m_and_4k),
        CACHE_FOR_BOTH_FORMATS(no_smaller_block_stands_for_a_larger_one),
        CACHE_FOR_BOTH_FORMATS(every_frame_of_a_1g_block_comes_once),
        CACHE_FOR_BOTH_FORMATS(a_break_works_when_the_host_has_no_page_left),
        CACHE_FOR_BOTH_FORMATS(the_frame_that_continues_is_taken),
        CACHE_FOR_BOTH_FORMATS(a_2m_block_breaks_for_the_frame_that_continues),
        CACHE_FOR_BOTH_FORMATS(a_1g_block_does_not_break_to_continue_another),
        CACHE_FOR_BOTH_FORMATS(a_misaligned_wish_is_none),
        CACHE_FOR_BOTH_FORMATS(blocks_are_taken_at_the_offset_of_their_gfn),
        CACHE_FOR_BOTH_FORMATS(the_offset_is_looked_for_in_a_few_blocks),
        CACHE_FOR_BOTH_FORMATS(a_clean_block_comes_before_a_dirty_one),
        CACHE_FOR_BOTH_FORMATS(frames_in_hand_are_not_added_again),
        CACHE_FOR_BOTH_FORMATS(what_is_no_block_is_not_added),
    };

    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
