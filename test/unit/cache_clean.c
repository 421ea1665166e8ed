/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache.c: what is clean is taken before what is dirty, and what is dirty is taken out to be
 * cleared, and grows together again.
 */
#include "cache_fixture.h"

#include "p2m/cache_node.h"

#define PIECE(n) ((uint64_t)(n) << ORDER_2M) /* the nth 2 MB, in frames */

static void expect_block(struct pod_block block, mfn_t mfn, enum pod_clean clean)
{
    if (block.mfn.mfn != mfn.mfn || block.clean != clean)
        fail_msg("got mfn %#lx clean %u, not mfn %#lx clean %u", block.mfn.mfn, block.clean,
                 mfn.mfn, clean);
}

static struct pod_block take_clean_1g(struct fixture *fixture, mfn_t near)
{
    struct pod_place place = { GFN(0), near };
    struct pod_block block = pod_cache_get_clean_1g(fixture->locked, &pod, place);

    expect_cache_sound(fixture);
    return block;
}

static struct pod_block take_dirty(struct fixture *fixture, unsigned expected_order)
{
    unsigned order = 1;
    struct pod_block block = pod_cache_take_dirty(fixture->locked, &pod, &order);

    expect_cache_sound(fixture);
    assert_true(mfn_is_valid(block.mfn));
    assert_int_equal(block.clean, POD_DIRTY);
    assert_int_equal(order, expected_order);
    return block;
}

static void expect_nothing_dirty(struct fixture *fixture)
{
    unsigned order;

    assert_false(mfn_is_valid(pod_cache_take_dirty(fixture->locked, &pod, &order).mfn));
    expect_clean(pod_cache_counts(&pod).frames);
}

/* ---- clean before dirty --------------------------------------------------------------------- */

static void a_clean_1g_block_comes_before_any_dirty_one(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    for (unsigned i = 2; i < 2 + 2 * POD_CACHE_LOOKS; i++)
        add(f, GB(i), ORDER_1G, POD_DIRTY);
    expect_block(take_near(f, ORDER_1G, GB(3)), GB(1), POD_CLEAN);
    expect_block(take_near(f, ORDER_1G, GB(3)), GB(3), POD_DIRTY);
}

static void the_clean_1g_block_that_continues_comes_before_other_clean_ones(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i < 5; i++)
        add(f, GB(i), ORDER_1G, POD_CLEAN);
    expect_block(take_near(f, ORDER_1G, GB(2)), GB(2), POD_CLEAN);
    expect_block(take_clean_1g(f, GB(3)), GB(3), POD_CLEAN);
    expect_block(take_clean_1g(f, mfn_add(GB(1), 1)), GB(4), POD_CLEAN); /* no wish: the newest */
}

static void asked_for_a_clean_1g_block_the_cache_gives_no_other(void **state)
{
    struct fixture *f = *state;

    add_2m(f, 3, POD_CLEAN);
    add(f, GB(1), ORDER_1G, POD_DIRTY);
    assert_false(mfn_is_valid(take_clean_1g(f, GB(1)).mfn));
    for (unsigned i = 0; i < 512; i++)
        add(f, mfn_add(GB(2), PIECE(i)), ORDER_2M, i == 300 ? POD_DIRTY : POD_CLEAN);
    assert_false(mfn_is_valid(take_clean_1g(f, INVALID_MFN).mfn));
    expect_blocks(2, 3, 0);
    assert_false(mfn_is_valid(take_clean_1g(f, GB(2)).mfn));
}

static void a_clean_block_at_the_offset_comes_before_a_dirty_one_there(void **state)
{
    struct fixture *f = *state;

    add(f, mfn_add(GB(1), PIECE(7)), ORDER_2M, POD_CLEAN);
    add(f, mfn_add(GB(2), PIECE(7)), ORDER_2M, POD_DIRTY);
    add(f, mfn_add(GB(3), 77), ORDER_4K, POD_CLEAN);
    add(f, mfn_add(GB(4), 77), ORDER_4K, POD_DIRTY);
    expect_block(take_for(f, ORDER_2M, GFN(PIECE(7))), mfn_add(GB(1), PIECE(7)), POD_CLEAN);
    expect_block(take_for(f, ORDER_4K, GFN(77)), mfn_add(GB(3), 77), POD_CLEAN);
}

static void a_dirty_block_at_the_offset_comes_before_a_clean_one_elsewhere(void **state)
{
    struct fixture *f = *state;

    add(f, mfn_add(GB(1), PIECE(6)), ORDER_2M, POD_CLEAN);
    add(f, mfn_add(GB(2), PIECE(7)), ORDER_2M, POD_DIRTY);
    expect_block(take_for(f, ORDER_2M, GFN(PIECE(7))), mfn_add(GB(2), PIECE(7)), POD_DIRTY);
    expect_block(take_for(f, ORDER_2M, GFN(PIECE(7))), mfn_add(GB(1), PIECE(6)), POD_CLEAN);
}

static void a_clean_block_comes_before_dirty_ones_of_many_superpages(void **state)
{
    struct fixture *f = *state;

    add(f, mfn_add(GB(1), 3), ORDER_4K, POD_CLEAN);
    for (unsigned i = 2; i < 2 + 2 * POD_CACHE_LOOKS; i++)
        add(f, mfn_add(GB(i), 4), ORDER_4K, POD_DIRTY);
    expect_block(take_for(f, ORDER_4K, GFN(5)), mfn_add(GB(1), 3), POD_CLEAN);
}

/* One that is not clean as a whole anyway, where the piece that is wanted is. */
static void a_dirty_1g_block_breaks_sooner_for_a_clean_piece(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 512; i++)
        add(f, mfn_add(GB(1), PIECE(i)), ORDER_2M, i == 5 ? POD_DIRTY : POD_CLEAN);
    add(f, GB(2), ORDER_1G, POD_CLEAN);
    expect_block(take_for(f, ORDER_2M, GFN(PIECE(6))), mfn_add(GB(1), PIECE(6)), POD_CLEAN);
    add(f, mfn_add(GB(1), PIECE(6)), ORDER_2M, POD_CLEAN);
    expect_block(take_for(f, ORDER_2M, GFN(PIECE(5))), mfn_add(GB(2), PIECE(5)), POD_CLEAN);
}

/* ---- dirty ones, to be cleared -------------------------------------------------------------- */

static void nothing_is_dirty_where_all_is_clean(void **state)
{
    struct fixture *f = *state;

    expect_nothing_dirty(f);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add_2m(f, 2, POD_CLEAN);
    add(f, GB(3), ORDER_4K, POD_CLEAN);
    expect_nothing_dirty(f);
    expect_blocks(1, 2, 1);
}

static void whole_2m_are_cleared_sooner_than_frames(void **state)
{
    struct fixture *f = *state;

    add(f, mfn_add(GB(1), PIECE(3)), ORDER_2M, POD_DIRTY);
    add(f, GB(1), ORDER_2M, POD_CLEAN);
    add(f, GB(3), ORDER_4K, POD_CLEAN);
    add(f, mfn_add(GB(3), 9), ORDER_4K, POD_DIRTY);
    expect_block(take_dirty(f, ORDER_2M), mfn_add(GB(1), PIECE(3)), POD_DIRTY);
    expect_block(take_dirty(f, ORDER_4K), mfn_add(GB(3), 9), POD_DIRTY);
    expect_nothing_dirty(f);
    expect_blocks(0, 1, 1);
}

static void a_1g_block_is_cleared_by_2m_and_grows_again(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_DIRTY);
    add(f, GB(2), ORDER_1G, POD_DIRTY);
    for (uint64_t cleared = 0; cleared < 2 * 512; cleared++) {
        struct pod_block block = take_dirty(f, ORDER_2M);

        expect_blocks(1, 511, 0);
        add(f, block.mfn, ORDER_2M, POD_CLEAN);
        expect_blocks(2, 0, 0);
        if (cleared == 511) /* one is done before the next one is begun */
            expect_block(take_clean_1g(f, INVALID_MFN), GB(2), POD_CLEAN);
        if (cleared == 511)
            add(f, GB(2), ORDER_1G, POD_CLEAN);
    }
    expect_nothing_dirty(f);
}

static void a_1g_block_grows_again_where_one_2m_of_it_is_dirty(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 512; i++)
        add(f, mfn_add(GB(1), PIECE(i)), ORDER_2M, i == 300 ? POD_DIRTY : POD_CLEAN);
    expect_blocks(1, 0, 0);
    expect_block(take_dirty(f, ORDER_2M), mfn_add(GB(1), PIECE(300)), POD_DIRTY);
    add(f, mfn_add(GB(1), PIECE(300)), ORDER_2M, POD_CLEAN);
    expect_block(take_clean_1g(f, INVALID_MFN), GB(1), POD_CLEAN);
}

static void frames_are_cleared_one_by_one_and_grow(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(1), 500, POD_DIRTY);
    for (unsigned i = 0; i < 500; i++) {
        expect_clean(i);
        add(f, take_dirty(f, ORDER_4K).mfn, ORDER_4K, POD_CLEAN);
    }
    expect_nothing_dirty(f);
    add_frames(f, mfn_add(GB(1), 500), 12, POD_CLEAN);
    expect_block(take(f, ORDER_2M), GB(1), POD_CLEAN);
}

/* One dirty frame makes the 2 MB dirty that it completes: all of it is cleared at once. */
static void a_dirty_frame_is_cleared_with_the_2m_that_it_completes(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(1), 511, POD_CLEAN);
    add(f, mfn_add(GB(1), 511), ORDER_4K, POD_DIRTY);
    expect_block(take_dirty(f, ORDER_2M), GB(1), POD_DIRTY);
}

/* Its node may have been the only one; its page is there when it comes back. */
static void taking_out_gives_no_page_back(void **state)
{
    struct fixture *f = *state;
    uint64_t pages;

    add(f, GB(1), ORDER_2M, POD_DIRTY);
    pages = pod_cache_counts(&pod).pages;
    memory_fail_allocation(1);
    expect_block(take_dirty(f, ORDER_2M), GB(1), POD_DIRTY);
    expect_blocks(0, 0, 0);
    assert_int_equal(pod_cache_counts(&pod).pages, pages);
    add(f, GB(1), ORDER_2M, POD_CLEAN);
    assert_false(mfn_is_valid(p2m_host_alloc_table(&f->p2m))); /* nobody had asked for one */
}

/* All nodes are in use, but for those of the 2 MB that are broken: a get still works meanwhile. */
static void a_break_works_while_a_block_is_out(void **state)
{
    struct fixture *f = *state;
    uint64_t nodes = NODES_PER_PAGE - 1;

    for (uint64_t i = 1; i <= nodes; i++)
        add(f, GB(i), ORDER_2M, POD_DIRTY);
    assert_int_equal(nodes_free(&pod.cache), 1);
    memory_fail_allocation(1);
    expect_block(take_dirty(f, ORDER_2M), GB(nodes), POD_DIRTY);
    for (uint64_t i = 0; i < PIECE(nodes - 1); i++)
        assert_true(mfn_is_valid(take(f, ORDER_4K).mfn));
    expect_blocks(0, 0, 0);
    memory_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(a_clean_1g_block_comes_before_any_dirty_one),
        CACHE_FOR_BOTH_FORMATS(the_clean_1g_block_that_continues_comes_before_other_clean_ones),
        CACHE_FOR_BOTH_FORMATS(asked_for_a_clean_1g_block_the_cache_gives_no_other),
        CACHE_FOR_BOTH_FORMATS(a_clean_block_at_the_offset_comes_before_a_dirty_one_there),
        CACHE_FOR_BOTH_FORMATS(a_dirty_block_at_the_offset_comes_before_a_clean_one_elsewhere),
        CACHE_FOR_BOTH_FORMATS(a_clean_block_comes_before_dirty_ones_of_many_superpages),
        CACHE_FOR_BOTH_FORMATS(a_dirty_1g_block_breaks_sooner_for_a_clean_piece),
        CACHE_FOR_BOTH_FORMATS(nothing_is_dirty_where_all_is_clean),
        CACHE_FOR_BOTH_FORMATS(whole_2m_are_cleared_sooner_than_frames),
        CACHE_FOR_BOTH_FORMATS(a_1g_block_is_cleared_by_2m_and_grows_again),
        CACHE_FOR_BOTH_FORMATS(a_1g_block_grows_again_where_one_2m_of_it_is_dirty),
        CACHE_FOR_BOTH_FORMATS(frames_are_cleared_one_by_one_and_grow),
        CACHE_FOR_BOTH_FORMATS(a_dirty_frame_is_cleared_with_the_2m_that_it_completes),
        CACHE_FOR_BOTH_FORMATS(taking_out_gives_no_page_back),
        CACHE_FOR_BOTH_FORMATS(a_break_works_while_a_block_is_out),
    };

    return cmocka_run_group_tests_name("cache_clean", tests, NULL, NULL);
}
