/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache.c: a GB that is set aside to be whole again, and blocks that are taken by name for it.
 */
#include "cache_fixture.h"

#include "p2m/cache_node.h"

#define PIECE(n) ((uint64_t)(n) << ORDER_2M) /* the nth 2 MB, in frames */

static void set_aside(struct fixture *fixture, mfn_t block)
{
    pod_cache_set_aside(fixture->locked, &pod, block);
    expect_cache_sound(fixture);
}

static mfn_t take_at(struct fixture *fixture, mfn_t mfn, unsigned order)
{
    struct pod_block block = pod_cache_take_at(fixture->locked, &pod, mfn, order);

    expect_cache_sound(fixture);
    return block.mfn;
}

static bool is_of(mfn_t mfn, mfn_t block)
{
    return frame_align_down(mfn.mfn, ORDER_1G) == block.mfn;
}

/* ---- aside ---------------------------------------------------------------------------------- */

static void what_is_aside_is_taken_last(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(2), 2, POD_DIRTY);
    add(f, mfn_add(GB(2), PIECE(5)), ORDER_2M, POD_DIRTY);
    add_frames(f, GB(1), 2, POD_CLEAN);
    add(f, mfn_add(GB(1), PIECE(5)), ORDER_2M, POD_CLEAN);
    set_aside(f, GB(1));
    for (unsigned i = 0; i < 2 + 512; i++)
        assert_true(is_of(take(f, ORDER_4K).mfn, GB(2)));
    assert_true(pod_cache_is_aside(&pod, GB(1)));
    expect_blocks(0, 1, 2);
    assert_true(is_of(take(f, ORDER_2M).mfn, GB(1)));
    assert_false(pod_cache_is_aside(&pod, GB(1)));
}

static void what_comes_into_hand_of_it_later_is_aside_too(void **state)
{
    struct fixture *f = *state;

    set_aside(f, GB(1));
    add(f, GB(2), ORDER_2M, POD_DIRTY);
    add_frames(f, GB(1), 600, POD_CLEAN);
    assert_true(is_of(take(f, ORDER_4K).mfn, GB(2)));
    assert_true(is_of(take_for(f, ORDER_4K, GFN(599)).mfn, GB(2)));
}

static void a_wish_does_not_reach_what_is_aside(void **state)
{
    struct fixture *f = *state;

    add(f, GB(2), ORDER_1G, POD_DIRTY);
    add(f, GB(3), ORDER_1G, POD_DIRTY);
    add(f, GB(1), ORDER_1G, POD_CLEAN);
    set_aside(f, GB(1));
    assert_false(is_of(take_near(f, ORDER_2M, mfn_add(GB(1), PIECE(9))).mfn, GB(1)));
    assert_false(is_of(take_near(f, ORDER_4K, mfn_add(GB(1), 9)).mfn, GB(1)));
}

static void a_whole_gb_that_was_set_aside_is_there_for_whoever_wants_one(void **state)
{
    struct fixture *f = *state;

    add(f, GB(2), ORDER_1G, POD_DIRTY);
    set_aside(f, GB(1));
    for (uint64_t i = 0; i < 511; i++)
        add(f, mfn_add(GB(1), PIECE(i)), ORDER_2M, POD_CLEAN);
    assert_true(is_of(take(f, ORDER_1G).mfn, GB(2)));
    add(f, mfn_add(GB(1), PIECE(511)), ORDER_2M, POD_CLEAN);
    assert_true(is_of(take(f, ORDER_1G).mfn, GB(1)));
}

static void what_is_dirty_of_it_is_cleared_first(void **state)
{
    struct fixture *f = *state;
    unsigned order;

    add(f, mfn_add(GB(1), 9), ORDER_4K, POD_DIRTY);
    add(f, GB(2), ORDER_1G, POD_DIRTY);
    set_aside(f, GB(1));
    assert_true(is_of(pod_cache_take_dirty(f->locked, &pod, &order).mfn, GB(1)));
    assert_int_equal(order, ORDER_4K);
    assert_true(is_of(pod_cache_take_dirty(f->locked, &pod, &order).mfn, GB(2)));
    assert_int_equal(order, ORDER_2M);
}

static void giving_to_the_host_ends_it(void **state)
{
    struct fixture *f = *state;
    unsigned order;

    add(f, GB(1), ORDER_2M, POD_DIRTY);
    add(f, GB(2), ORDER_2M, POD_CLEAN);
    set_aside(f, GB(1));
    assert_true(is_of(pod_cache_give_back(f->locked, &pod, 512, &order).mfn, GB(1)));
    assert_false(pod_cache_is_aside(&pod, GB(1)));
}

/* 2 MB blocks of GB(1), broken one by one until no node is free. */
static void use_all_nodes(struct fixture *fixture)
{
    for (uint64_t i = 0; i < 2 * NODES_PER_PAGE; i++)
        add(fixture, mfn_add(GB(1), PIECE(i)), ORDER_2M, POD_CLEAN);
    for (uint64_t i = 0; nodes_free(&pod.cache) > 0; i++)
        assert_true(mfn_is_valid(take_at(fixture, mfn_add(GB(1), PIECE(i)), ORDER_4K)));
}

/* The 4K frames are aside, and no node is free to break another block with. */
static void a_get_without_a_free_node_ends_it(void **state)
{
    struct fixture *f = *state;

    add(f, GB(2), ORDER_2M, POD_CLEAN);
    use_all_nodes(f);
    set_aside(f, GB(1));
    memory_fail_allocation(1);
    assert_true(is_of(take(f, ORDER_4K).mfn, GB(1)));
    assert_false(pod_cache_is_aside(&pod, GB(1)));
}

static void the_audit_finds_a_node_on_the_wrong_shelf(void **state)
{
    struct fixture *f = *state;
    struct pod_cache_audit report;

    add(f, GB(1), ORDER_2M, POD_CLEAN);
    pod.cache.aside = GB(1);
    pod_cache_audit(f->locked, &pod, &report);
    assert_int_not_equal(report.errors, 0);
    pod.cache.aside = INVALID_MFN;
    expect_cache_sound(f);
}

/* ---- by name -------------------------------------------------------------------------------- */

static void a_block_is_taken_by_name_from_whatever_it_is_part_of(void **state)
{
    struct fixture *f = *state;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    set_aside(f, GB(1));
    assert_int_equal(take_at(f, mfn_add(GB(1), PIECE(7)), ORDER_2M).mfn,
                     mfn_add(GB(1), PIECE(7)).mfn);
    expect_blocks(0, 511, 0);
    assert_int_equal(take_at(f, mfn_add(GB(1), 77), ORDER_4K).mfn, mfn_add(GB(1), 77).mfn);
    expect_blocks(0, 510, 511);
    assert_int_equal(take_at(f, mfn_add(GB(1), 78), ORDER_4K).mfn, mfn_add(GB(1), 78).mfn);
    expect_blocks(0, 510, 510);
    assert_true(pod_cache_is_aside(&pod, GB(1)));
}

static void a_block_not_all_of_which_is_in_hand_is_not_taken(void **state)
{
    struct fixture *f = *state;

    add_frames(f, GB(1), 511, POD_CLEAN);
    assert_false(mfn_is_valid(take_at(f, GB(1), ORDER_2M)));
    assert_false(mfn_is_valid(take_at(f, mfn_add(GB(1), 511), ORDER_4K)));
    assert_false(mfn_is_valid(take_at(f, GB(2), ORDER_2M)));
    expect_blocks(0, 0, 511);
}

static void without_a_free_node_no_block_breaks_for_a_frame(void **state)
{
    struct fixture *f = *state;

    add(f, GB(2), ORDER_2M, POD_CLEAN);
    use_all_nodes(f);
    assert_false(mfn_is_valid(take_at(f, GB(2), ORDER_4K)));
    assert_true(mfn_is_valid(take_at(f, mfn_add(GB(1), 1), ORDER_4K)));
    assert_true(mfn_is_valid(take_at(f, GB(2), ORDER_2M)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(what_is_aside_is_taken_last),
        CACHE_FOR_BOTH_FORMATS(what_comes_into_hand_of_it_later_is_aside_too),
        CACHE_FOR_BOTH_FORMATS(a_wish_does_not_reach_what_is_aside),
        CACHE_FOR_BOTH_FORMATS(a_whole_gb_that_was_set_aside_is_there_for_whoever_wants_one),
        CACHE_FOR_BOTH_FORMATS(what_is_dirty_of_it_is_cleared_first),
        CACHE_FOR_BOTH_FORMATS(giving_to_the_host_ends_it),
        CACHE_FOR_BOTH_FORMATS(a_get_without_a_free_node_ends_it),
        CACHE_FOR_BOTH_FORMATS(the_audit_finds_a_node_on_the_wrong_shelf),
        CACHE_FOR_BOTH_FORMATS(a_block_is_taken_by_name_from_whatever_it_is_part_of),
        CACHE_FOR_BOTH_FORMATS(a_block_not_all_of_which_is_in_hand_is_not_taken),
        CACHE_FOR_BOTH_FORMATS(without_a_free_node_no_block_breaks_for_a_frame),
    };

    return cmocka_run_group_tests_name("cache_aside", tests, NULL, NULL);
}
