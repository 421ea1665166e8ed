/* SPDX-License-Identifier: MIT */
/*
 * p2m/gather.c, what may happen while a GB is being gathered: it ends, and nothing is lost.
 */
#include "gather_layout.h"

static void what_is_aside_is_used_when_nothing_else_is_left(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    assert_true(gather_start(f));
    for (unsigned index = 0; index < 4; index++) {
        must(touch(f, guest_piece(2, index)));
        assert_int_equal(frame_align_down(get(f, guest_piece(2, index)).mfn.mfn, ORDER_1G),
                         BLOCK(2).mfn);
        assert_true(pod_cache_is_aside(&f->pod, BLOCK(1)));
    }
    must(touch(f, guest_piece(2, 4)));
    assert_int_equal(frame_align_down(get(f, guest_piece(2, 4)).mfn.mfn, ORDER_1G), BLOCK(1).mfn);
    assert_int_equal(gather_step(f), P2M_EMPTY);
    assert_int_equal(gbs_gathered(f), 0);
    expect_a_block(f);
    gather_all(f, 5);
    expect_a_block(f);
}

static void a_pinned_leaf_ends_it_until_something_changes(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    must(p2m_pin(f->locked, guest_piece(1, 6)));
    gather_all(f, 10);
    assert_int_equal(gbs_gathered(f), 0);
    expect_nothing_to_gather(f);
    p2m_unpin(f->locked, guest_piece(1, 6));
    expect_nothing_to_gather(f); /* nobody said so */
    must(decrease(f, SLOT(2), 1));
    assert_int_equal(gather_all(f, 10), 3);
    assert_int_equal(gbs_gathered(f), 1);
    expect_a_block(f);
}

static void a_leaf_that_is_written_meanwhile_moves_later(void **state)
{
    struct fixture *f = *state;
    struct pod_move move;

    lay_out_a_block(f);
    assert_true(gather_start(f));
    must(gather_next_to_the_end(f->locked, &f->pod, &move, &f->debt));
    pod_settle(f);
    guest_write_at(f, move.to.gfn, 2, 42);
    move_copy(&move);
    assert_false(move_unmap(f, &move));
    pod_settle(f);
    assert_int_equal(gather_all(f, 10), 4);
    assert_int_equal(gbs_gathered(f), 1);
    assert_int_equal(memory_word(get(f, move.to.gfn).mfn)[2], 42);
    expect_a_block(f);
}

/* What happens to a slot's marks while it is gathered; to that of piece 20. */
static void split_it(struct fixture *f)
{
    must(p2m_split(f->locked, guest_piece(1, 20), ORDER_4K));
}

static void give_it_back(struct fixture *f)
{
    must(decrease(f, guest_piece(1, 20), FRAMES_2M));
}

static void give_one_frame_back(struct fixture *f)
{
    must(decrease(f, gfn_add(guest_piece(1, 20), 5), 1));
}

static void populate_it(struct fixture *f)
{
    must(touch(f, guest_piece(1, 20)));
}

static void split_a_leaf(struct fixture *f)
{
    must(p2m_split(f->locked, guest_piece(1, 3), ORDER_4K));
}

static void break_it(struct fixture *f)
{
    must(set(f, guest_piece(1, 20), INVALID_MFN, ORDER_2M, P2M_BROKEN));
    pod_settle(f);
}

/* Nothing is mapped that was not promised, and no table is forgotten. */
static void a_slot_that_is_not_what_it_was_is_left_alone(void **state)
{
    static void (*const events[])(struct fixture *) = {
        populate_it, split_it, give_it_back, give_one_frame_back, break_it, split_a_leaf,
    };
    struct fixture *f = *state;

    for (unsigned event = 0; event < sizeof(events) / sizeof(events[0]); event++) {
        for (unsigned after = 0; after <= 4; after++) {
            struct pod_account before, now;

            lay_out_a_slot(f);
            for (unsigned step = 0; step < after; step++)
                assert_int_equal(gather_step(f), P2M_OK);
            if (after == 0)
                assert_true(gather_start(f));
            events[event](f);
            before = pod_account(&f->pod);
            gather_all(f, 20);
            now = pod_account(&f->pod);
            assert_int_equal(now.entries + now.populated, before.entries + before.populated);
            assert_int_equal(now.cached + now.populated, before.cached + before.populated);
            assert_int_equal(now.granted, 0);
            assert_int_equal(f->p2m.unpaid.tables, 0);
            assert_int_equal(f->p2m.unpaid.ram, 0);
            assert_int_equal(whole_gigabytes(f), events[event] == populate_it);
            if (events[event] != populate_it)
                assert_int_equal(now.entries, before.entries);
            expect_a_slot(f);
        }
    }
}

/* Another processor may still use what the guest has just given back, here or there. */
static void a_slot_is_not_completed_before_a_flush(void **state)
{
    struct fixture *f = *state;
    struct gfn_range given = { guest_piece(0, 0), guest_piece(0, 1) };
    struct pod_grant grant;
    struct pod_move move;

    lay_out_a_slot(f);
    lay_piece(f, 0, 0, machine_piece(5, 0));
    for (unsigned step = 0; step < 4; step++)
        assert_int_equal(gather_step(f), P2M_OK);
    while (pod_clean_begin(f->locked, &f->pod, &grant)) {
        memory_clear(grant.mfn, order_frames(grant.order));
        pod_clean_end(f->locked, &f->pod, &grant);
    }
    must(pod_decrease(f->locked, &f->pod, &given, &f->debt));
    assert_int_equal(gather_next_to_the_end(f->locked, &f->pod, &move, &f->debt), P2M_BUSY);
    expect_entry(f, guest_piece(1, 20), INVALID_MFN, ORDER_2M, P2M_POD);
    pod_settle(f);
    gather_all(f, 5);
    expect_entry(f, SLOT(1), BLOCK(1), ORDER_1G, P2M_RAM_RW);
    expect_a_slot(f);
}

/* Its mark is none that may be populated. */
static void a_slot_is_not_completed_in_the_middle_of_a_move(void **state)
{
    struct fixture *f = *state;
    struct pod_move move, next;

    lay_out_a_slot(f);
    for (unsigned step = 0; step < 3; step++)
        assert_int_equal(gather_step(f), P2M_OK);
    must(gather_next_to_the_end(f->locked, &f->pod, &move, &f->debt)); /* the last */
    pod_settle(f);
    move_copy(&move);
    assert_true(move_unmap(f, &move));
    assert_int_equal(gather_next_to_the_end(f->locked, &f->pod, &next, &f->debt), P2M_BUSY);
    pod_settle(f);
    assert_int_equal(gather_next_to_the_end(f->locked, &f->pod, &next, &f->debt), P2M_BUSY);
    move_finish(f, &move);
    gather_all(f, 10);
    expect_entry(f, SLOT(1), BLOCK(1), ORDER_1G, P2M_RAM_RW);
    expect_a_slot(f);
}

static void a_failed_allocation_costs_no_contents(void **state)
{
    struct fixture *f = *state;

    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint64_t nth = 1; nth < 12; nth++) {
            if (kind)
                lay_out_a_slot(f);
            else
                lay_out_a_block(f);
            memory_fail_allocation(nth);
            gather_all(f, 20);
            memory_fail_allocation(0);
            assert_int_equal(f->p2m.unpaid.tables, 0);
            assert_int_equal(pod_account(&f->pod).granted, 0);
            if (kind)
                expect_a_slot(f);
            else
                expect_a_block(f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(what_is_aside_is_used_when_nothing_else_is_left),
        POD_FOR_BOTH_FORMATS(a_pinned_leaf_ends_it_until_something_changes),
        POD_FOR_BOTH_FORMATS(a_leaf_that_is_written_meanwhile_moves_later),
        POD_FOR_BOTH_FORMATS(a_slot_that_is_not_what_it_was_is_left_alone),
        POD_FOR_BOTH_FORMATS(a_slot_is_not_completed_before_a_flush),
        POD_FOR_BOTH_FORMATS(a_slot_is_not_completed_in_the_middle_of_a_move),
        POD_FOR_BOTH_FORMATS(a_failed_allocation_costs_no_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
