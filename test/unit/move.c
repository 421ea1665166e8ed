/* SPDX-License-Identifier: MIT */
/*
 * p2m/move.c: a leaf's memory goes on in another frame. What comes between the steps is in
 * move_race.c, and what becomes of a leaf that is no leaf any more in move_pieces.c.
 */
#include "move_case.h"

/* ---- what a move is ------------------------------------------------------------------------- */

static void a_move_takes_the_contents_along(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        struct pod_account before;
        struct pod_move move;

        leaf_start(f, leaf_orders[size], IN_DEBT);
        leaf_write(f);
        before = pod_account(&f->pod);
        must(move_begin(f, HERE, &move));
        assert_int_equal(move.from.mfn, RAM.mfn);
        assert_true(move_go_on(f, &move));
        expect_entry(f, HERE, move.to.mfn, leaf_orders[size], P2M_RAM_RW);
        assert_int_not_equal(move.to.mfn.mfn, RAM.mfn);
        for (uint64_t i = 0; i < order_frames(leaf_orders[size]); i++)
            leaf_expect_frame(f, i);
        assert_int_equal(guest_read(f, HERE), 1);
        expect_settled(f, before);
        assert_int_equal(pod_events(&f->pod).moves[size], 1);
        assert_int_equal(pod_events(&f->pod).moves[1 - size], 0);
    }
}

/* What the new frame held before is not seen, where the old one held nothing. */
static void a_move_takes_zeroes_along(void **state)
{
    struct fixture *f = *state;
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    must(move_begin(f, HERE, &move));
    assert_true(move_go_on(f, &move));
    assert_true(memory_is_zero(move.to.mfn, FRAMES_2M));
    assert_int_equal(guest_read(f, HERE), 0);
}

/* The copy counts as written: it was not mapped as zeroes. */
static void a_moved_leaf_is_dirty_and_its_old_frame_only_if_it_was(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        for (unsigned is_dirty = 0; is_dirty < 2; is_dirty++) {
            struct pod_move move;

            leaf_start(f, leaf_orders[size], IN_DEBT);
            if (is_dirty)
                guest_write(f, HERE, 1);
            must(move_begin(f, HERE, &move));
            assert_true(move_go_on(f, &move));
            assert_true(get(f, HERE).dirty);
            assert_true(get(f, HERE).accessed);
            assert_int_equal(memory_returned().last.mfn.mfn, RAM.mfn);
            assert_int_equal(memory_returned().last.order, leaf_orders[size]);
            assert_int_equal(memory_returned().last.became, P2M_POD_MOVING);
            assert_int_equal(memory_returned().last.dirty, is_dirty);
            expect_clean_in_hand(f, is_dirty ? 0 : order_frames(leaf_orders[size]));
        }
    }
}

/* A write that only the table of a merge knows of, which was not paid for yet. */
static void an_old_frame_is_dirty_while_a_merged_table_may_know_better(void **state)
{
    struct fixture *f = *state;
    struct p2m_debt merged = P2M_NO_DEBT;
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    must(p2m_split(f->locked, HERE, ORDER_4K));
    assert_int_equal(guest_read(f, gfn_add(HERE, 9)), 0);
    must(p2m_merge(f->locked, HERE, ORDER_2M, &merged));
    guest_write(f, gfn_add(HERE, 9), 42);
    assert_false(get(f, HERE).dirty);
    must(move_begin(f, HERE, &move));
    assert_true(move_go_on(f, &move));
    expect_clean_in_hand(f, 0);
    pay_to_the_end(f->locked, &merged);
    assert_int_equal(guest_read(f, gfn_add(HERE, 9)), 42);
}

static void a_move_works_when_nothing_is_owed_to_the_balloon(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        struct pod_account before;
        struct pod_move move;

        leaf_start(f, leaf_orders[size], NO_DEBT);
        leaf_write(f);
        before = pod_account(&f->pod);
        must(move_begin(f, HERE, &move));
        assert_true(move_go_on(f, &move));
        expect_settled(f, before);
        leaf_expect_frame(f, order_frames(leaf_orders[size]) - 1);
    }
}

static void a_move_to_a_place_takes_exactly_that_block(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        mfn_t wish = mfn_add(block_in_hand(2), size ? 0 : 77);
        struct pod_place place = { HERE, wish };
        struct pod_move move = { .where = POD_AT };

        leaf_start(f, leaf_orders[size], IN_DEBT);
        leaf_write(f);
        must(pod_move_begin(f->locked, &f->pod, &move, &place, &f->debt));
        assert_int_equal(move.to.mfn.mfn, wish.mfn);
        assert_true(move_go_on(f, &move));
        expect_entry(f, HERE, wish, leaf_orders[size], P2M_RAM_RW);
        leaf_expect_frame(f, 0);
    }
}

static void what_is_set_aside_is_taken_only_when_it_is_named(void **state)
{
    struct fixture *f = *state;
    struct pod_place place = { HERE, block_in_hand(1) };
    struct pod_move move = { .where = POD_ANYWHERE };

    leaf_start(f, ORDER_2M, IN_DEBT);
    pod_cache_set_aside(f->locked, &f->pod, IN_HAND);
    POD_REFUSED(f, P2M_EMPTY, pod_move_begin(f->locked, &f->pod, &move, &place, &f->debt));
    assert_true(pod_cache_is_aside(&f->pod, IN_HAND));
    move.where = POD_AT;
    must(pod_move_begin(f->locked, &f->pod, &move, &place, &f->debt));
    assert_true(move_go_on(f, &move));
    assert_true(pod_cache_is_aside(&f->pod, IN_HAND));
}

/* ---- what is refused ------------------------------------------------------------------------ */

static enum p2m_error begin(struct fixture *f, gfn_t gfn, enum pod_where where, mfn_t near)
{
    struct pod_move move = { .where = where };
    struct pod_place place = { gfn, near };

    return pod_move_begin(f->locked, &f->pod, &move, &place, &f->debt);
}

static void only_small_leaves_of_ordinary_memory_move(void **state)
{
    struct fixture *f = *state;
    static const enum p2m_type others[] = { P2M_RAM_RO, P2M_MMIO,     P2M_SPECIAL,   P2M_BROKEN,
                                            P2M_POD,    P2M_RAM_HELD, P2M_RAM_COPIED };

    leaf_start(f, ORDER_2M, NO_DEBT);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        enum p2m_error error;

        must(set(f, HERE, INVALID_MFN, ORDER_2M, P2M_INVALID));
        fixture_settle(f);
        must(set(f, HERE, RAM, ORDER_2M, others[i]));
        error = begin(f, HERE, POD_ANYWHERE, INVALID_MFN);
        assert_string_equal(p2m_error_name(error), p2m_error_name(P2M_BAD_TYPE));
        assert_int_equal(get(f, HERE).type, others[i]);
        assert_int_equal(pod_account(&f->pod).granted, 0);
    }
    must(set(f, HERE, INVALID_MFN, ORDER_2M, P2M_INVALID));
    fixture_settle(f);
    POD_REFUSED(f, P2M_BAD_TYPE, begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
    POD_REFUSED(f, P2M_BAD_TYPE, begin(f, GFN(UINT64_MAX), POD_ANYWHERE, INVALID_MFN));
    must(set(f, HERE, RAM, ORDER_1G, P2M_RAM_RW));
    POD_REFUSED(f, P2M_BAD_TYPE, begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
}

static void a_move_begins_at_the_first_frame(void **state)
{
    struct fixture *f = *state;

    leaf_start(f, ORDER_2M, IN_DEBT);
    POD_REFUSED(f, P2M_BAD_RANGE, begin(f, gfn_add(HERE, 1), POD_ANYWHERE, INVALID_MFN));
    POD_REFUSED(f, P2M_BAD_RANGE, begin(f, gfn_add(HERE, 511), POD_AT, block_in_hand(0)));
}

static void without_such_a_block_nothing_begins(void **state)
{
    struct fixture *f = *state;

    leaf_start(f, ORDER_2M, IN_DEBT);
    POD_REFUSED(f, P2M_EMPTY, begin(f, HERE, POD_AT, block_in_hand(BLOCKS)));
    POD_REFUSED(f, P2M_EMPTY, begin(f, HERE, POD_AT, RAM));
    leave_in_hand(f, FRAMES_2M - 1);
    POD_REFUSED(f, P2M_EMPTY, begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
    leave_in_hand(f, 0);
    must(p2m_split(f->locked, HERE, ORDER_4K));
    POD_REFUSED(f, P2M_EMPTY, begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
}

/* Not even where the page that held the cache's last node would not be had again. */
static void a_pinned_leaf_stays_and_so_does_the_cache(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        leaf_start(f, leaf_orders[size], IN_DEBT);
        leave_in_hand(f, order_frames(leaf_orders[size]));
        must(p2m_pin(f->locked, HERE));
        memory_fail_allocation(1);
        POD_REFUSED(f, P2M_BUSY, begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
        memory_fail_allocation(0);
        p2m_unpin(f->locked, HERE);
        must(begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
        pod_restart(f, ORDER_1G); /* a guest may end in the middle of a move */
    }
}

static void one_move_at_a_time(void **state)
{
    struct fixture *f = *state;
    gfn_t other = gfn_add(HERE, FRAMES_2M);
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    must(set(f, other, mfn_add(RAM, FRAMES_2M), ORDER_2M, P2M_RAM_RW));
    must(move_begin(f, HERE, &move));
    POD_REFUSED(f, P2M_BUSY, begin(f, other, POD_ANYWHERE, INVALID_MFN));
    POD_REFUSED(f, P2M_BUSY, begin(f, HERE, POD_ANYWHERE, INVALID_MFN));
    pod_settle(f);
    move_copy(&move);
    assert_true(move_unmap(f, &move));
    POD_REFUSED(f, P2M_BUSY, begin(f, other, POD_ANYWHERE, INVALID_MFN));
    pod_settle(f);
    POD_REFUSED(f, P2M_BUSY, begin(f, other, POD_ANYWHERE, INVALID_MFN));
    move_finish(f, &move);
    must(move_begin(f, other, &move));
    assert_true(move_go_on(f, &move));
}

static void a_move_that_finds_no_room_in_the_debt_is_over(void **state)
{
    struct fixture *f = *state;
    struct pod_account before;
    struct pod_move move;

    leaf_start(f, ORDER_2M, NO_DEBT);
    leaf_write(f);
    before = pod_account(&f->pod);
    must(move_begin(f, HERE, &move));
    pod_settle(f);
    move_copy(&move);
    f->debt.count = P2M_DEBT_MAX;
    assert_false(pod_move_unmap(f->locked, &f->pod, &move, &f->debt));
    f->debt.count = 0;
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_RW);
    expect_settled(f, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_move_takes_the_contents_along),
        POD_FOR_BOTH_FORMATS(a_move_takes_zeroes_along),
        POD_FOR_BOTH_FORMATS(a_moved_leaf_is_dirty_and_its_old_frame_only_if_it_was),
        POD_FOR_BOTH_FORMATS(an_old_frame_is_dirty_while_a_merged_table_may_know_better),
        POD_FOR_BOTH_FORMATS(a_move_works_when_nothing_is_owed_to_the_balloon),
        POD_FOR_BOTH_FORMATS(a_move_to_a_place_takes_exactly_that_block),
        POD_FOR_BOTH_FORMATS(what_is_set_aside_is_taken_only_when_it_is_named),
        POD_FOR_BOTH_FORMATS(only_small_leaves_of_ordinary_memory_move),
        POD_FOR_BOTH_FORMATS(a_move_begins_at_the_first_frame),
        POD_FOR_BOTH_FORMATS(without_such_a_block_nothing_begins),
        POD_FOR_BOTH_FORMATS(a_pinned_leaf_stays_and_so_does_the_cache),
        POD_FOR_BOTH_FORMATS(one_move_at_a_time),
        POD_FOR_BOTH_FORMATS(a_move_that_finds_no_room_in_the_debt_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
