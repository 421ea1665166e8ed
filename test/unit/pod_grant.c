/* SPDX-License-Identifier: MIT */
/*
 * p2m/pod.c, blocks on their way: granted to be cleared, and what may happen to their mark in the
 * meantime; clearing ahead of need; and the look-up that populates.
 */
#include "pod_fixture.h"

#define RAM MFN(0x40000)

static enum p2m_error demand(struct fixture *f, gfn_t gfn, struct pod_grant *grant)
{
    enum p2m_error error = pod_demand_populate(f->locked, &f->pod, gfn, grant);

    expect_pod_sound(f);
    return error;
}

static enum p2m_error finish(struct fixture *f, const struct pod_grant *grant)
{
    enum p2m_error error;

    memory_clear(grant->mfn, order_frames(grant->order));
    error = pod_finish_populate(f->locked, &f->pod, grant);
    expect_pod_sound(f);
    assert_int_equal(pod_account(&f->pod).granted, 0);
    return error;
}

/* A guest that owes 1 GB, and a dirty 2 MB block on its way to gfn. */
static struct pod_grant grant_2m(struct fixture *f, gfn_t gfn)
{
    struct pod_grant grant;

    must(mark(f, GFN(0), 2 * FRAMES_1G));
    hand(f, RAM, ORDER_2M, POD_DIRTY);
    assert_int_equal(demand(f, gfn, &grant), P2M_UNCLEAN);
    assert_int_equal(pod_account(&f->pod).granted, FRAMES_2M);
    expect_in_hand(f, 0, 0, 0);
    return grant;
}

/* ---- grants --------------------------------------------------------------------------------- */

static void a_grant_says_what_to_clear_and_where_it_goes(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345));

    assert_int_equal(grant.gfn.gfn, 0x12200);
    assert_int_equal(grant.mfn.mfn, RAM.mfn);
    assert_int_equal(grant.order, ORDER_2M);
    must(finish(f, &grant));
    expect_entry(f, GFN(0x12345), mfn_add(RAM, 0x145), ORDER_2M, P2M_RAM_RW);
    expect_account(f, 2 * FRAMES_1G - FRAMES_2M, 0, FRAMES_2M);
}

static void the_guest_sees_nothing_of_a_grant_before_it_is_finished(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345));

    assert_int_equal(processor_look(&f->processor, GFN(0x12345)).answer, ANSWER_NOT_PRESENT);
    must(finish(f, &grant));
    assert_int_equal(guest_read(f, GFN(0x12345)), 0);
}

/* The mark was remapped for it, but has grown again since. */
static void a_granted_block_is_in_hand_and_clean_when_no_table_page_is_found(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0));

    must(mark(f, GFN(0), FRAMES_1G));
    expect_entry(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_POD);
    memory_fail_allocation(1);
    assert_int_equal(finish(f, &grant), P2M_NO_MEMORY);
    memory_fail_allocation(0);
    expect_account(f, 2 * FRAMES_1G, FRAMES_2M, 0);
    expect_clean_in_hand(f, FRAMES_2M);
    must(demand(f, GFN(0), &grant));
}

static void a_grant_whose_mark_was_given_back_is_in_hand_and_clean(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345));

    must(decrease(f, GFN(0x12200), FRAMES_2M));
    must(finish(f, &grant));
    expect_entry(f, GFN(0x12345), INVALID_MFN, ORDER_2M, P2M_INVALID);
    expect_account(f, 2 * FRAMES_1G - FRAMES_2M, FRAMES_2M, 0);
    expect_clean_in_hand(f, FRAMES_2M);
}

static void a_grant_of_which_a_piece_was_given_back_is_in_hand_and_clean(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345));

    must(decrease(f, GFN(0x12345), 1));
    must(finish(f, &grant));
    expect_entry(f, GFN(0x12344), INVALID_MFN, ORDER_4K, P2M_POD);
    expect_account(f, 2 * FRAMES_1G - 1, FRAMES_2M, 0);
    expect_clean_in_hand(f, FRAMES_2M);
}

/* Nothing is promised any more: nothing may be in hand. */
static void a_grant_that_nobody_is_owed_any_more_is_the_hosts(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345));

    must(decrease(f, GFN(0), 2 * FRAMES_1G));
    must(finish(f, &grant));
    expect_account(f, 0, 0, 0);
    assert_int_equal(memory_freed().frames, FRAMES_2M);
    assert_int_equal(memory_freed().mfn.mfn, RAM.mfn);
}

static void two_grants_for_one_mark_fill_it_once(void **state)
{
    struct fixture *f = *state;
    struct pod_grant first = grant_2m(f, GFN(0x12345)), second;

    hand(f, mfn_add(RAM, FRAMES_2M), ORDER_2M, POD_DIRTY);
    assert_int_equal(demand(f, GFN(0x12201), &second), P2M_UNCLEAN);
    memory_clear(second.mfn, FRAMES_2M);
    must(pod_finish_populate(f->locked, &f->pod, &second));
    guest_write(f, GFN(0x12345), 99);
    must(finish(f, &first));
    expect_account(f, 2 * FRAMES_1G - FRAMES_2M, FRAMES_2M, FRAMES_2M);
    expect_populates(f, 0, 1, 0);
    assert_int_equal(guest_read(f, GFN(0x12345)), 99);
    assert_int_equal(get(f, GFN(0x12200)).mfn.mfn, second.mfn.mfn);
}

/* A smaller block came in between, and the mark is in pieces now. */
static void a_grant_does_not_replace_what_was_populated_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345));
    mfn_t frame = mfn_add(RAM, FRAMES_1G);

    hand(f, frame, ORDER_4K, POD_CLEAN);
    guest_write(f, GFN(0x12346), 7);
    expect_entry(f, GFN(0x12346), frame, ORDER_4K, P2M_RAM_RW);
    must(finish(f, &grant));
    assert_int_equal(guest_read(f, GFN(0x12346)), 7);
    expect_account(f, 2 * FRAMES_1G - 1, FRAMES_2M, 1);
}

static void a_grant_finds_its_place_in_a_mark_that_grew(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    must(mark(f, GFN(0), FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_DIRTY);
    assert_int_equal(demand(f, GFN(5), &grant), P2M_UNCLEAN);
    must(mark(f, GFN(0), FRAMES_1G));
    expect_entry(f, GFN(5), INVALID_MFN, ORDER_1G, P2M_POD);
    must(finish(f, &grant));
    expect_entry(f, GFN(5), mfn_add(RAM, 5), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(512), INVALID_MFN, ORDER_2M, P2M_POD);
}

/* A processor may still use a frame that was there: no other may be put in its place. */
static void nothing_is_populated_before_what_left_is_settled(void **state)
{
    struct gfn_range range = { GFN(2 * FRAMES_1G), GFN(2 * FRAMES_1G + 1) };
    struct fixture *f = *state;
    struct pod_grant grant = grant_2m(f, GFN(0x12345)), other;

    must(set(f, range.from, mfn_add(RAM, FRAMES_1G), ORDER_4K, P2M_RAM_RW));
    hand(f, mfn_add(RAM, FRAMES_2M), ORDER_4K, POD_CLEAN);
    must(pod_decrease(f->locked, &f->pod, &range, &f->debt));
    POD_REFUSED(f, P2M_BUSY, demand(f, GFN(0), &other));
    must(finish(f, &grant)); /* in hand again, clean */
    expect_account(f, 2 * FRAMES_1G, FRAMES_2M + 1, 0);
    expect_clean_in_hand(f, FRAMES_2M + 1);
    pod_settle(f);
    must(demand(f, GFN(0), &other));
    expect_account(f, 2 * FRAMES_1G - FRAMES_2M, 2, FRAMES_2M);
}

static void a_clean_frame_is_mapped_without_a_grant(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    must(mark(f, GFN(0), FRAMES_2M));
    hand(f, RAM, ORDER_4K, POD_CLEAN);
    must(demand(f, GFN(5), &grant));
    assert_int_equal(pod_account(&f->pod).granted, 0);
    expect_entry(f, GFN(5), RAM, ORDER_4K, P2M_RAM_RW);
}

/* ---- clearing ahead of need ----------------------------------------------------------------- */

static void clearing_ahead_makes_all_that_is_in_hand_clean(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;
    unsigned steps = 0;

    must(mark(f, GFN(0), 2 * FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_DIRTY);
    hand(f, mfn_add(RAM, FRAMES_1G), ORDER_4K, POD_DIRTY);
    hand(f, mfn_add(RAM, FRAMES_1G + FRAMES_2M), ORDER_2M, POD_CLEAN);
    while (pod_clean_begin(f->locked, &f->pod, &grant)) {
        assert_in_range(grant.order, ORDER_4K, ORDER_2M);
        assert_int_equal(pod_account(&f->pod).granted, order_frames(grant.order));
        memory_clear(grant.mfn, order_frames(grant.order));
        pod_clean_end(f->locked, &f->pod, &grant);
        assert_in_range(++steps, 1, 513);
    }
    expect_account(f, 2 * FRAMES_1G, FRAMES_1G + FRAMES_2M + 1, 0);
    expect_clean_in_hand(f, FRAMES_1G + FRAMES_2M + 1);
    expect_in_hand(f, 1, 1, 1);
    must(demand(f, GFN(0), &grant));
    assert_int_equal(pod_account(&f->pod).populated, FRAMES_1G);
}

static void there_is_nothing_to_clear_where_all_is_clean(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    assert_false(pod_clean_begin(f->locked, &f->pod, &grant));
    must(mark(f, GFN(0), FRAMES_2M));
    hand(f, RAM, ORDER_4K, POD_CLEAN);
    assert_false(pod_clean_begin(f->locked, &f->pod, &grant));
    assert_int_equal(pod_account(&f->pod).granted, 0);
}

static void a_block_that_nobody_is_owed_when_it_is_clean_is_the_hosts(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    must(mark(f, GFN(0), FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_DIRTY);
    assert_true(pod_clean_begin(f->locked, &f->pod, &grant));
    must(decrease(f, GFN(0), FRAMES_2M));
    pod_clean_end(f->locked, &f->pod, &grant);
    expect_account(f, 0, 0, 0);
    assert_int_equal(memory_freed().frames, FRAMES_2M);
}

/* ---- looking up ----------------------------------------------------------------------------- */

static void the_look_up_that_populates_meets_marks_of_any_size(void **state)
{
    struct fixture *f = *state;

    for (unsigned order = 0; order <= ORDER_1G; order += ORDER_STEP) {
        struct pod_grant grant;
        struct p2m_entry entry;

        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0x40000), order_frames(order)));
        hand(f, RAM, order, POD_CLEAN);
        entry = get(f, GFN(0x40000));
        assert_int_equal(entry.type, P2M_POD); /* p2m_get_entry never populates */
        assert_int_equal(entry.order, order);
        must(p2m_gfn_to_mfn(f->locked, &f->pod, GFN(0x40000), &entry, &grant));
        assert_int_equal(entry.type, P2M_RAM_RW);
        assert_int_equal(entry.order, order);
        assert_int_equal(entry.mfn.mfn, RAM.mfn);
        expect_account(f, 0, 0, order_frames(order));
    }
}

static void the_look_up_says_what_is_no_mark_as_it_is(void **state)
{
    static const enum p2m_type types[] = { P2M_INVALID, P2M_RAM_RW,  P2M_RAM_RO,
                                           P2M_MMIO,    P2M_SPECIAL, P2M_BROKEN };
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct pod_grant grant;
        struct p2m_entry entry, expected;

        must(set(f, GFN(i), MFN(0x80000 + i), ORDER_4K, types[i]));
        expected = get(f, GFN(i));
        POD_REFUSED(f, P2M_OK, p2m_gfn_to_mfn(f->locked, &f->pod, GFN(i), &entry, &grant));
        assert_int_equal(entry.type, expected.type);
        assert_int_equal(entry.mfn.mfn, expected.mfn.mfn);
        assert_int_equal(entry.order, expected.order);
    }
}

static void the_look_up_says_what_a_populate_says(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;
    struct p2m_entry entry;

    must(mark(f, GFN(0), FRAMES_1G));
    POD_REFUSED(f, P2M_EMPTY, p2m_gfn_to_mfn(f->locked, &f->pod, GFN(9), &entry, &grant));
    assert_int_equal(entry.type, P2M_POD);
    hand(f, RAM, ORDER_4K, POD_CLEAN);
    memory_fail_allocation(1);
    POD_REFUSED(f, P2M_NO_MEMORY, p2m_gfn_to_mfn(f->locked, &f->pod, GFN(9), &entry, &grant));
    memory_fail_allocation(0);
    must(touch(f, GFN(9)));
    hand(f, mfn_add(RAM, 1), ORDER_4K, POD_DIRTY);
    assert_int_equal(p2m_gfn_to_mfn(f->locked, &f->pod, GFN(10), &entry, &grant), P2M_UNCLEAN);
    assert_int_equal(entry.type, P2M_POD);
    must(finish(f, &grant));
    expect_entry(f, GFN(10), mfn_add(RAM, 1), ORDER_4K, P2M_RAM_RW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_grant_says_what_to_clear_and_where_it_goes),
        POD_FOR_BOTH_FORMATS(the_guest_sees_nothing_of_a_grant_before_it_is_finished),
        POD_FOR_BOTH_FORMATS(a_granted_block_is_in_hand_and_clean_when_no_table_page_is_found),
        POD_FOR_BOTH_FORMATS(a_grant_whose_mark_was_given_back_is_in_hand_and_clean),
        POD_FOR_BOTH_FORMATS(a_grant_of_which_a_piece_was_given_back_is_in_hand_and_clean),
        POD_FOR_BOTH_FORMATS(a_grant_that_nobody_is_owed_any_more_is_the_hosts),
        POD_FOR_BOTH_FORMATS(two_grants_for_one_mark_fill_it_once),
        POD_FOR_BOTH_FORMATS(a_grant_does_not_replace_what_was_populated_meanwhile),
        POD_FOR_BOTH_FORMATS(a_grant_finds_its_place_in_a_mark_that_grew),
        POD_FOR_BOTH_FORMATS(nothing_is_populated_before_what_left_is_settled),
        POD_FOR_BOTH_FORMATS(a_clean_frame_is_mapped_without_a_grant),
        POD_FOR_BOTH_FORMATS(clearing_ahead_makes_all_that_is_in_hand_clean),
        POD_FOR_BOTH_FORMATS(there_is_nothing_to_clear_where_all_is_clean),
        POD_FOR_BOTH_FORMATS(a_block_that_nobody_is_owed_when_it_is_clean_is_the_hosts),
        POD_FOR_BOTH_FORMATS(the_look_up_that_populates_meets_marks_of_any_size),
        POD_FOR_BOTH_FORMATS(the_look_up_says_what_is_no_mark_as_it_is),
        POD_FOR_BOTH_FORMATS(the_look_up_says_what_a_populate_says),
    };

    return cmocka_run_group_tests_name("pod_grant", tests, NULL, NULL);
}
