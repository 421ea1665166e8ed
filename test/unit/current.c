/* SPDX-License-Identifier: MIT */
/*
 * p2m/current.c: the look-up for the running guest. That something was kept shows between a change
 * and its settling, when the map and what is kept say two things.
 */
#include "pod_fixture.h"

#include "p2m/current.h"

#define RAM MFN(0x80000)

static struct p2m_current current;

static struct p2m_entry look(struct fixture *f, gfn_t gfn)
{
    struct p2m_entry entry;
    struct pod_grant grant;

    must(p2m_gfn_to_mfn_current(f->locked, &current, gfn, &entry, &grant));
    return entry;
}

static void expect_frame(struct fixture *f, gfn_t gfn, mfn_t mfn)
{
    assert_int_equal(look(f, gfn).mfn.mfn, mfn.mfn);
}

static void start(struct fixture *f, unsigned order)
{
    p2m_current_create(&current, &f->pod);
    map(f, GFN(0), RAM, order);
}

static void a_leaf_of_any_size_is_one_item(void **state)
{
    struct fixture *f = *state;

    for (unsigned order = ORDER_4K; order <= ORDER_1G; order += ORDER_STEP) {
        uint64_t last = order_frames(order) - 1;

        start(f, order);
        assert_int_equal(look(f, GFN(0)).order, order);
        must(set(f, GFN(0), INVALID_MFN, order, P2M_INVALID));
        expect_frame(f, GFN(last), mfn_add(RAM, last)); /* owed, and not settled yet */
        assert_int_equal(get(f, GFN(last)).type, P2M_INVALID);
        fixture_settle(f);
    }
}

static void what_was_settled_is_not_believed(void **state)
{
    struct fixture *f = *state;

    start(f, ORDER_2M);
    expect_frame(f, GFN(1), mfn_add(RAM, 1));
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    fixture_settle(f);
    assert_false(mfn_is_valid(look(f, GFN(1)).mfn));
    map(f, GFN(0), mfn_add(RAM, FRAMES_2M), ORDER_2M);
    expect_frame(f, GFN(1), mfn_add(RAM, FRAMES_2M + 1));
}

static void a_settling_that_has_begun_is_enough(void **state)
{
    struct fixture *f = *state;
    uint64_t generation;

    start(f, ORDER_4K);
    expect_frame(f, GFN(0), RAM);
    must(set(f, GFN(0), INVALID_MFN, ORDER_4K, P2M_INVALID));
    generation = p2m_begin_settle(&f->p2m);
    assert_false(mfn_is_valid(look(f, GFN(0)).mfn));
    p2m_end_settle(&f->p2m, generation);
}

static void what_has_no_frame_is_not_kept(void **state)
{
    struct fixture *f = *state;

    start(f, ORDER_4K);
    assert_int_equal(look(f, GFN(1)).type, P2M_INVALID);
    map(f, GFN(1), mfn_add(RAM, 9), ORDER_4K); /* no debt: the generation stays */
    expect_frame(f, GFN(1), mfn_add(RAM, 9));
    assert_int_equal(look(f, GFN(UINT64_MAX)).type, P2M_INVALID);
}

static void two_that_want_one_place_take_turns(void **state)
{
    struct fixture *f = *state;
    gfn_t other = GFN(P2M_CURRENT_ITEMS);

    start(f, ORDER_4K);
    map(f, other, mfn_add(RAM, 7), ORDER_4K);
    for (unsigned i = 0; i < 3; i++) {
        expect_frame(f, GFN(0), RAM);
        expect_frame(f, other, mfn_add(RAM, 7));
    }
}

static void a_split_that_is_settled_shows_the_pieces(void **state)
{
    struct fixture *f = *state;

    start(f, ORDER_1G);
    expect_frame(f, GFN(513), mfn_add(RAM, 513));
    must(p2m_split(f->locked, GFN(513), ORDER_4K));
    assert_int_equal(look(f, GFN(513)).order, ORDER_1G); /* it translates alike */
    must(set(f, GFN(513), INVALID_MFN, ORDER_4K, P2M_INVALID));
    fixture_settle(f);
    assert_false(mfn_is_valid(look(f, GFN(513)).mfn));
    expect_frame(f, GFN(514), mfn_add(RAM, 514));
    assert_int_equal(look(f, GFN(514)).order, ORDER_4K);
}

static void a_mark_is_populated_with_the_same_errors(void **state)
{
    struct fixture *f = *state;
    struct p2m_entry entry;
    struct pod_grant grant;

    p2m_current_create(&current, &f->pod);
    must(mark(f, GFN(0), FRAMES_2M));
    assert_int_equal(p2m_gfn_to_mfn_current(f->locked, &current, GFN(3), &entry, &grant),
                     P2M_EMPTY);
    hand(f, RAM, ORDER_4K, POD_DIRTY);
    assert_int_equal(p2m_gfn_to_mfn_current(f->locked, &current, GFN(3), &entry, &grant),
                     P2M_UNCLEAN);
    memory_clear(grant.mfn, 1);
    must(pod_finish_populate(f->locked, &f->pod, &grant));
    expect_frame(f, GFN(3), RAM);
    hand(f, mfn_add(RAM, 512), ORDER_4K, POD_CLEAN);
    expect_frame(f, GFN(4), mfn_add(RAM, 512));
    expect_populates(f, 0, 0, 2);
}

static void what_a_sweep_took_is_populated_anew(void **state)
{
    struct fixture *f = *state;

    p2m_current_create(&current, &f->pod);
    must(mark(f, GFN(0), 2 * FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    guest_read(f, GFN(0));
    for (uint64_t i = 0; i < POD_RECENT; i++) /* no longer among the recent */
        f->pod.recent[i] = GFN(UINT64_MAX);
    expect_frame(f, GFN(0), RAM);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), FRAMES_2M);
    expect_frame(f, GFN(FRAMES_2M), RAM); /* the frame that was taken, in another place */
    assert_int_equal(get(f, GFN(0)).type, P2M_POD);
}

static void another_map_is_refused(void **state)
{
    struct fixture *f = *state;
    struct p2m other = f->p2m;
    struct p2m_entry entry;
    struct pod_grant grant;

    start(f, ORDER_4K);
    EXPECT_ASSERT((void)!p2m_gfn_to_mfn_current((struct p2m_locked){ &other }, &current, GFN(0),
                                                &entry, &grant));
}

/* What is kept is seen by a D bit that it does not know of. */
static void leaves_side_by_side_are_kept_side_by_side(void **state)
{
    struct fixture *f = *state;

    for (unsigned order = ORDER_4K; order <= ORDER_2M; order += ORDER_STEP) {
        gfn_t second = gfn_add(GFN(0), order_frames(order));

        fixture_restart(f);
        start(f, order);
        map(f, second, mfn_add(RAM, second.gfn), order);
        look(f, GFN(0));
        look(f, second);
        must(p2m_mark_dirty(f->locked, GFN(0)));
        assert_false(look(f, GFN(0)).dirty);
        assert_true(get(f, GFN(0)).dirty);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_leaf_of_any_size_is_one_item),
        POD_FOR_BOTH_FORMATS(leaves_side_by_side_are_kept_side_by_side),
        POD_FOR_BOTH_FORMATS(what_was_settled_is_not_believed),
        POD_FOR_BOTH_FORMATS(a_settling_that_has_begun_is_enough),
        POD_FOR_BOTH_FORMATS(what_has_no_frame_is_not_kept),
        POD_FOR_BOTH_FORMATS(two_that_want_one_place_take_turns),
        POD_FOR_BOTH_FORMATS(a_split_that_is_settled_shows_the_pieces),
        POD_FOR_BOTH_FORMATS(a_mark_is_populated_with_the_same_errors),
        POD_FOR_BOTH_FORMATS(what_a_sweep_took_is_populated_anew),
        POD_FOR_BOTH_FORMATS(another_map_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
