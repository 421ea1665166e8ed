/* SPDX-License-Identifier: MIT */
/*
 * p2m/move.c, what may happen to a leaf between the steps of its move. The guest's accesses go
 * through the model processor, which keeps translations of the past until it is told to forget.
 */
#include "move_case.h"

/* ---- writes and pins ------------------------------------------------------------------------ */

/* What the guest did before, and so what its processor knows of the leaf. */
enum past { NEVER_TOUCHED, READ, WRITTEN, PASTS };

#define LAST(f) gfn_add(HERE, order_frames(get(f, HERE).order) - 1)

static void write_last(struct fixture *f, enum moment moment)
{
    struct pod_grant grant;

    if (!is_a_mark_at(moment)) {
        guest_write(f, LAST(f), 42);
        return;
    }
    assert_int_equal(processor_store(&f->processor, LAST(f), 0, 42).answer, ANSWER_NOT_PRESENT);
    POD_REFUSED(f, P2M_BUSY, pod_demand_populate(f->locked, &f->pod, LAST(f), &grant));
    POD_REFUSED(f, P2M_BUSY, pod_demand_populate(f->locked, &f->pod, HERE, &grant));
}

/* A translation from before the hold writes into the old frame, and the flush ends that; after it
 * a write ends the move. */
static bool write_leaves_it_moving(enum moment moment, enum past past)
{
    return moment == BEGIN || moment >= PAY || (moment == SETTLE && past == WRITTEN);
}

static void write_at(struct fixture *f, unsigned order, enum moment moment, enum past past)
{
    gfn_t last = gfn_add(HERE, order_frames(order) - 1);
    struct pod_account before;
    struct pod_move move;
    bool moved;
    mfn_t mfn;

    leaf_start(f, order, NO_DEBT);
    if (past == READ)
        assert_int_equal(guest_read(f, last), 0);
    if (past == WRITTEN)
        guest_write(f, last, 41);
    before = pod_account(&f->pod);
    moved = move_with(f, write_last, moment, &move);
    assert_int_equal(moved, write_leaves_it_moving(moment, past));
    if (is_a_mark_at(moment))
        guest_write(f, last, 42);
    mfn = moved ? move.to.mfn : RAM;
    expect_entry(f, HERE, mfn, order, P2M_RAM_RW);
    assert_int_equal(*memory_word(mfn_add(mfn, order_frames(order) - 1)), 42);
    assert_int_equal(guest_read(f, last), 42);
    assert_true(get(f, HERE).dirty);
    expect_settled(f, before);
}

static void a_write_between_two_steps_survives(void **state)
{
    for (unsigned size = 0; size < 2; size++)
        for (enum moment moment = BEGIN; moment < MOMENTS; moment++)
            for (enum past past = NEVER_TOUCHED; past < PASTS; past++)
                write_at(*state, leaf_orders[size], moment, past);
}

/* Why there is a flush before the copy: this write faults nowhere. */
static void a_write_through_a_translation_of_the_past_is_copied(void **state)
{
    struct fixture *f = *state;
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    guest_write(f, HERE, 1);
    must(move_begin(f, HERE, &move));
    assert_int_equal(processor_store(&f->processor, gfn_add(HERE, 3), 7, 42).answer, ANSWER_CACHED);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_COPIED);
    pod_settle(f);
    assert_int_equal(processor_store(&f->processor, gfn_add(HERE, 3), 8, 43).answer,
                     ANSWER_NOT_ALLOWED);
    move_copy(&move);
    assert_true(move_unmap(f, &move));
    pod_settle(f);
    move_finish(f, &move);
    assert_int_equal(memory_word(mfn_add(move.to.mfn, 3))[7], 42);
    assert_int_equal(memory_word(mfn_add(move.to.mfn, 3))[8], 0);
}

static void reads_go_on_until_the_old_frame_leaves(void **state)
{
    struct fixture *f = *state;
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    guest_write(f, HERE, 99);
    must(move_begin(f, HERE, &move));
    assert_int_equal(guest_read(f, HERE), 99);
    pod_settle(f);
    assert_int_equal(guest_read(f, HERE), 99);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_COPIED);
    move_copy(&move);
    assert_int_equal(guest_read(f, HERE), 99);
    assert_true(move_unmap(f, &move));
    assert_int_equal(guest_read(f, HERE), 99); /* from before: nobody may have the frame yet */
    assert_int_equal(memory_returned().calls, 0);
    pod_settle(f);
    move_finish(f, &move);
    assert_int_equal(guest_read(f, HERE), 99);
}

static void pin(struct fixture *f, enum moment moment)
{
    enum p2m_error error = p2m_pin(f->locked, HERE);

    assert_int_equal(error, is_a_mark_at(moment) ? P2M_BAD_TYPE : P2M_OK);
}

/* Whoever pinned it has a pointer to this very frame. */
static void a_pin_between_two_steps_keeps_the_frame(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
            struct pod_account before;
            struct pod_move move;
            bool moved;

            leaf_start(f, leaf_orders[size], NO_DEBT);
            leaf_write(f);
            before = pod_account(&f->pod);
            moved = move_with(f, pin, moment, &move);
            assert_int_equal(moved, moment >= PAY);
            expect_entry(f, HERE, moved ? move.to.mfn : RAM, leaf_orders[size], P2M_RAM_RW);
            leaf_expect_frame(f, 0);
            expect_settled(f, before);
            if (!is_a_mark_at(moment))
                p2m_unpin(f->locked, HERE);
        }
    }
}

static void release(struct fixture *f, enum moment moment)
{
    (void)moment;
    pod_release(f->locked, &f->pod, LAST(f));
}

static void the_hosts_own_write_ends_a_move(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
        struct pod_account before;
        struct pod_move move;
        bool moved;

        leaf_start(f, ORDER_2M, NO_DEBT);
        leaf_write(f);
        before = pod_account(&f->pod);
        moved = move_with(f, release, moment, &move);
        assert_int_equal(moved, moment == BEGIN || moment >= PAY);
        leaf_expect_frame(f, 0);
        expect_settled(f, before);
    }
}

/* ---- others at work ------------------------------------------------------------------------- */

/* A block that was granted for this mark long ago, before others populated it, comes too late. */
static void a_grant_from_before_does_not_take_the_mark(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;
    struct pod_move move;

    leaf_start(f, ORDER_2M, NO_DEBT);
    must(decrease(f, HERE, FRAMES_2M));
    must(mark(f, HERE, FRAMES_2M));
    assert_int_equal(pod_demand_populate(f->locked, &f->pod, HERE, &grant), P2M_UNCLEAN);
    write_last(f, BEGIN);
    guest_write(f, HERE, 42);
    must(move_begin(f, HERE, &move));
    pod_settle(f);
    move_copy(&move);
    assert_true(move_unmap(f, &move));
    memory_clear(grant.mfn, order_frames(grant.order));
    must(pod_finish_populate(f->locked, &f->pod, &grant));
    assert_int_equal(get(f, HERE).type, P2M_POD_MOVING);
    pod_settle(f);
    move_finish(f, &move);
    assert_int_equal(guest_read(f, HERE), 42);
    assert_int_equal(pod_account(&f->pod).granted, 0);
}

/* All zeroes, but held by somebody else already. */
static void a_sweep_leaves_alone_what_is_moving(void **state)
{
    struct fixture *f = *state;
    static const struct pod_sweep_kind kind = { ORDER_2M, POD_LEAVES };
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    must(move_begin(f, HERE, &move));
    assert_int_equal(sweep_once(f, kind), 0);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_COPIED);
    assert_true(move_go_on(f, &move));
}

/* Neighbours are populated while a move is under way. */
static void other_marks_are_populated_meanwhile(void **state)
{
    struct fixture *f = *state;
    gfn_t next = gfn_add(HERE, FRAMES_2M);
    struct pod_account before;
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    must(mark(f, next, FRAMES_2M));
    leaf_write(f);
    before = pod_account(&f->pod);
    must(move_begin(f, HERE, &move));
    pod_settle(f);
    move_copy(&move);
    assert_true(move_unmap(f, &move));
    pod_settle(f);
    guest_write(f, next, 42);
    move_finish(f, &move);
    leaf_expect_frame(f, 0);
    assert_int_equal(guest_read(f, next), 42);
    before.entries -= FRAMES_2M;
    before.cached -= FRAMES_2M;
    before.populated += FRAMES_2M;
    expect_settled(f, before);
}

static void try_to_mark(struct fixture *f, gfn_t from, uint64_t frames)
{
    struct gfn_range range = { from, gfn_add(from, frames) };

    POD_REFUSED(f, P2M_OCCUPIED, pod_mark(f->locked, &f->pod, &range, &f->debt));
}

/* The mark that moves promises nothing, and is not made to. */
static void what_moves_is_not_promised_again(void **state)
{
    struct fixture *f = *state;
    struct pod_account before;
    struct pod_move move;

    leaf_start(f, ORDER_2M, IN_DEBT);
    leaf_write(f);
    before = pod_account(&f->pod);
    must(move_begin(f, HERE, &move));
    try_to_mark(f, HERE, FRAMES_2M);
    pod_settle(f);
    move_copy(&move);
    assert_true(move_unmap(f, &move));
    pod_settle(f);
    try_to_mark(f, HERE, FRAMES_2M);
    try_to_mark(f, gfn_add(HERE, FRAMES_2M - 1), 2);
    try_to_mark(f, GFN(HERE.gfn - 1), 2);
    must(mark(f, gfn_add(HERE, FRAMES_2M), FRAMES_2M));
    move_finish(f, &move);
    leaf_expect_frame(f, 0);
    before.entries += FRAMES_2M;
    expect_settled(f, before);
}

/* ---- allocations ---------------------------------------------------------------------------- */

static void none(struct fixture *f, enum moment moment)
{
    (void)f;
    (void)moment;
}

/* For want of a page for a node, what was in hand goes to the host; what was the guest's does not,
 * and no frame is nobody's. */
static void every_failed_allocation_leaves_the_contents(void **state)
{
    static const happening happenings[] = { none, release, pin };
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        for (unsigned what = 0; what < 3; what++) {
            for (uint64_t nth = 1; nth < 5; nth++) {
                struct pod_account before, now;
                struct pod_move move;

                leaf_start(f, leaf_orders[size], IN_DEBT);
                leave_in_hand(f, order_frames(leaf_orders[size]));
                leaf_write(f);
                before = pod_account(&f->pod);
                memory_fail_allocation(nth);
                move_with(f, happenings[what], UNMAP, &move);
                memory_fail_allocation(0);
                pod_settle(f);
                leaf_expect_frame(f, 0);
                now = pod_account(&f->pod);
                assert_int_equal(now.entries, before.entries);
                assert_int_equal(now.populated, before.populated);
                assert_int_equal(now.granted, 0);
                assert_true(now.cached == before.cached || now.cached == 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_write_between_two_steps_survives),
        POD_FOR_BOTH_FORMATS(a_write_through_a_translation_of_the_past_is_copied),
        POD_FOR_BOTH_FORMATS(reads_go_on_until_the_old_frame_leaves),
        POD_FOR_BOTH_FORMATS(a_pin_between_two_steps_keeps_the_frame),
        POD_FOR_BOTH_FORMATS(the_hosts_own_write_ends_a_move),
        POD_FOR_BOTH_FORMATS(a_grant_from_before_does_not_take_the_mark),
        POD_FOR_BOTH_FORMATS(a_sweep_leaves_alone_what_is_moving),
        POD_FOR_BOTH_FORMATS(other_marks_are_populated_meanwhile),
        POD_FOR_BOTH_FORMATS(what_moves_is_not_promised_again),
        POD_FOR_BOTH_FORMATS(every_failed_allocation_leaves_the_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
