/* SPDX-License-Identifier: MIT */
/*
 * p2m/move.c, a leaf that is given back, split or merged between the steps of its move: what the
 * guest still has of it holds what it held.
 */
#include "move_case.h"

/* ---- it is given back, or not as large any more --------------------------------------------- */

static void give_back_all(struct fixture *f, enum moment moment)
{
    (void)moment;
    must(decrease(f, HERE, order_frames(get(f, HERE).order)));
}

/* The guest may not find it again, and nobody else has lost anything. */
static void what_is_given_back_between_two_steps_is_gone(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        for (unsigned debt = IN_DEBT; debt <= NO_DEBT; debt++) {
            for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
                uint64_t frames = order_frames(leaf_orders[size]);
                struct pod_account now;
                struct pod_move move;

                leaf_start(f, leaf_orders[size], debt);
                leaf_write(f);
                now = pod_account(&f->pod);
                now.populated -= frames;
                now.cached += debt == IN_DEBT ? frames : 0;
                move_with(f, give_back_all, moment, &move);
                assert_int_equal(get(f, HERE).type, P2M_INVALID);
                expect_settled(f, now);
            }
        }
    }
}

static void give_back_and_take_again(struct fixture *f, enum moment moment)
{
    uint64_t frames = order_frames(get(f, HERE).order);

    (void)moment;
    must(decrease(f, HERE, frames));
    must(mark(f, HERE, frames));
}

/* It is a promise like any other then: the old contents do not come back by themselves. */
static void what_is_promised_anew_between_two_steps_is_empty(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        for (enum moment moment = SETTLE; moment < MOMENTS; moment++) {
            struct pod_move move;

            leaf_start(f, leaf_orders[size], IN_DEBT);
            leaf_write(f);
            move_with(f, give_back_and_take_again, moment, &move);
            assert_int_equal(get(f, HERE).type, P2M_POD);
            assert_int_equal(guest_read(f, HERE), 0);
            assert_int_equal(pod_account(&f->pod).granted, 0);
        }
    }
}

#define TAKEN_OUT 5u

static void expect_all_but_one(struct fixture *f)
{
    for (uint64_t i = 0; i < FRAMES_2M; i++)
        if (i != TAKEN_OUT)
            leaf_expect_frame(f, i);
}

static void give_back_one(struct fixture *f, enum moment moment)
{
    (void)moment;
    must(decrease(f, gfn_add(HERE, TAKEN_OUT), 1));
}

static void the_rest_survives_when_one_frame_is_given_back(void **state)
{
    struct fixture *f = *state;

    for (unsigned debt = IN_DEBT; debt <= NO_DEBT; debt++) {
        for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
            struct pod_account now;
            struct pod_move move;

            leaf_start(f, ORDER_2M, debt);
            leaf_write(f);
            now = pod_account(&f->pod);
            now.populated -= 1;
            now.cached += debt == IN_DEBT;
            move_with(f, give_back_one, moment, &move);
            assert_int_equal(get(f, gfn_add(HERE, TAKEN_OUT)).type, P2M_INVALID);
            expect_all_but_one(f);
            expect_settled(f, now);
        }
    }
}

/* As when the guest shares a page of the host's there. */
static void map_a_page_over_one(struct fixture *f, enum moment moment)
{
    gfn_t gfn = gfn_add(HERE, TAKEN_OUT);

    if (!is_a_mark_at(moment))
        must(set(f, gfn, INVALID_MFN, ORDER_4K, P2M_INVALID));
    pod_settle(f); /* what a debt still owes is refused */
    must(set(f, gfn, MFN(0xc0000), ORDER_4K, P2M_SPECIAL));
    pod_settle(f);
}

static void the_rest_survives_when_a_page_is_mapped_over_one_frame(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
        struct pod_account before, now;
        struct pod_move move;

        leaf_start(f, ORDER_2M, IN_DEBT);
        leaf_write(f);
        before = pod_account(&f->pod);
        move_with(f, map_a_page_over_one, moment, &move);
        expect_entry(f, gfn_add(HERE, TAKEN_OUT), MFN(0xc0000), ORDER_4K, P2M_SPECIAL);
        expect_all_but_one(f);
        now = pod_account(&f->pod);
        assert_int_equal(now.entries, before.entries);
        assert_int_equal(now.populated, before.populated - 1);
        assert_int_equal(now.cached, before.cached + 1);
        assert_int_equal(now.granted, 0);
    }
}

static void split(struct fixture *f, enum moment moment)
{
    (void)moment;
    must(p2m_split(f->locked, HERE, ORDER_4K));
}

static void all_of_it_survives_when_it_is_split(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
        struct pod_account before;
        struct pod_move move;

        leaf_start(f, ORDER_2M, NO_DEBT);
        leaf_write(f);
        before = pod_account(&f->pod);
        move_with(f, split, moment, &move);
        for (uint64_t i = 0; i < FRAMES_2M; i++)
            leaf_expect_frame(f, i);
        expect_settled(f, before);
    }
}

/* What is moving is unlike all promises around it. */
static void merge(struct fixture *f, enum moment moment)
{
    unsigned order = get(f, HERE).order + ORDER_STEP;

    (void)moment;
    assert_int_equal(p2m_merge(f->locked, HERE, order, &f->debt), P2M_UNEQUAL);
}

/* The last leaf in a table of marks. */
static void what_is_moving_merges_with_no_other_mark(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < 2; size++) {
        for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
            unsigned order = leaf_orders[size];
            gfn_t next = gfn_add(HERE, order_frames(order));
            struct pod_account before;
            struct pod_move move;
            struct pod_grant grant;

            leaf_start(f, order, IN_DEBT);
            must(mark(f, next, order_frames(order + ORDER_STEP) - order_frames(order)));
            leaf_write(f);
            before = pod_account(&f->pod);
            if (moment == FINISH) {
                must(move_begin(f, HERE, &move));
                pod_settle(f);
                move_copy(&move);
                assert_true(move_unmap(f, &move));
                merge(f, PAY);
                POD_REFUSED(f, P2M_BUSY, pod_demand_populate(f->locked, &f->pod, next, &grant));
                pod_settle(f);
                move_finish(f, &move);
            } else {
                move_with(f, merge, moment, &move);
            }
            leaf_expect_frame(f, 0);
            leaf_expect_frame(f, order_frames(order) - 1);
            assert_int_equal(get(f, HERE).order, order);
            assert_int_equal(get(f, next).type, P2M_POD);
            expect_settled(f, before);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(what_is_given_back_between_two_steps_is_gone),
        POD_FOR_BOTH_FORMATS(what_is_promised_anew_between_two_steps_is_empty),
        POD_FOR_BOTH_FORMATS(the_rest_survives_when_one_frame_is_given_back),
        POD_FOR_BOTH_FORMATS(the_rest_survives_when_a_page_is_mapped_over_one_frame),
        POD_FOR_BOTH_FORMATS(all_of_it_survives_when_it_is_split),
        POD_FOR_BOTH_FORMATS(what_is_moving_merges_with_no_other_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
