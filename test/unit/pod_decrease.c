/* SPDX-License-Identifier: MIT */
/*
 * p2m/pod.c, what the guest gives back: marks disappear, frames stay in hand while the guest is in
 * debt, and what is neither its own nor there is left alone.
 */
#include "pod_fixture.h"

#define RAM MFN(0x40000)

/* Leaves that lie apart, so that each is an item of its own. */
static enum p2m_error decrease_once(struct fixture *f, struct gfn_range *range)
{
    return pod_decrease(f->locked, &f->pod, range, &f->debt);
}

static void expect_ballooned(struct fixture *f, uint64_t frames)
{
    assert_int_equal(pod_events(&f->pod).ballooned, frames);
}

/* ---- marks ---------------------------------------------------------------------------------- */

static void marks_just_disappear(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0x3fe01), GFN(0x40001) };

    must(mark(f, GFN(0), 2 * FRAMES_1G));
    must(decrease_once(f, &range));
    assert_int_equal(range.from.gfn, range.end.gfn);
    assert_int_equal(f->debt.count, 0); /* no processor keeps what is not present */
    expect_account(f, 2 * FRAMES_1G - FRAMES_2M, 0, 0);
    expect_ballooned(f, FRAMES_2M);
    expect_entry(f, GFN(0x3fe00), INVALID_MFN, ORDER_4K, P2M_POD);
    expect_entry(f, GFN(0x3fe01), INVALID_MFN, ORDER_4K, P2M_INVALID);
    expect_entry(f, GFN(0x40000), INVALID_MFN, ORDER_4K, P2M_INVALID);
    expect_entry(f, GFN(0x40001), INVALID_MFN, ORDER_4K, P2M_POD);
}

static void a_whole_mark_disappears_in_one_step(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), 3 * FRAMES_1G));
    must(decrease(f, GFN(0), 3 * FRAMES_1G));
    expect_account(f, 0, 0, 0);
    assert_int_equal(f->p2m.events.splits[order_size(ORDER_1G)], 0);
    expect_ballooned(f, 3 * FRAMES_1G);
}

static void what_was_in_hand_for_marks_that_went_is_the_hosts(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(FRAMES_2M) };

    must(mark(f, GFN(0), 2 * FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    hand(f, mfn_add(RAM, 2 * FRAMES_2M), ORDER_2M, POD_CLEAN);
    must(decrease_once(f, &range));
    expect_account(f, FRAMES_2M, FRAMES_2M, 0);
    assert_int_equal(memory_freed().frames, FRAMES_2M);
    assert_int_equal(memory_returned().calls, 0);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void in_debt_frames_stay_in_hand(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    for (unsigned order = 0; order <= ORDER_2M; order += ORDER_STEP) {
        gfn_t gfn = GFN(order_frames(order));

        map(f, gfn, mfn_add(RAM, gfn.gfn), order);
        must(decrease(f, gfn, order_frames(order)));
        assert_int_equal(get(f, gfn).type, P2M_INVALID);
    }
    expect_account(f, FRAMES_1G, FRAMES_2M + 1, 0);
    expect_in_hand(f, 0, 1, 1);
    expect_ballooned(f, FRAMES_2M + 1);
    assert_int_equal(memory_freed().calls, 0);
}

static void in_debt_a_whole_1gb_leaf_stays_in_hand(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_1G);
    must(decrease(f, GFN(0), FRAMES_1G));
    expect_in_hand(f, 1, 0, 0);
    expect_account(f, FRAMES_1G, FRAMES_1G, 0);
}

static void out_of_debt_frames_are_the_hosts(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_2M));
    hand(f, mfn_add(RAM, FRAMES_1G), ORDER_2M, POD_CLEAN);
    map(f, GFN(0), RAM, ORDER_2M);
    must(decrease(f, GFN(0), FRAMES_2M));
    expect_account(f, FRAMES_2M, FRAMES_2M, 0);
    expect_in_hand(f, 0, 1, 0);
    assert_int_equal(memory_returned().frames, FRAMES_2M);
    assert_true(memory_frames_are(RAM, FRAMES_2M, FRAME_HOME));
}

static void without_marks_frames_are_the_hosts(void **state)
{
    struct fixture *f = *state;

    map(f, GFN(0), RAM, ORDER_2M);
    must(decrease(f, GFN(0), FRAMES_2M));
    expect_account(f, 0, 0, 0);
    assert_int_equal(pod_cache_counts(&f->pod).pages, 0);
    assert_true(memory_frames_are(RAM, FRAMES_2M, FRAME_HOME));
}

static void what_is_more_than_the_debt_is_the_hosts(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), 100));
    map(f, GFN(0), RAM, ORDER_2M);
    must(decrease(f, GFN(0), FRAMES_2M));
    expect_account(f, 100, 100, 0);
    assert_int_equal(memory_freed().frames, FRAMES_2M - 100);
}

/* Ballooning pays the debt frame by frame; the last frame that is owed is the last that stays. */
static void the_last_frame_that_is_owed_is_the_last_that_stays(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), 5));
    map(f, GFN(0), RAM, ORDER_2M);
    for (uint64_t gfn = 0; gfn < 10; gfn++) {
        must(decrease(f, GFN(gfn), 1));
        expect_account(f, 5, gfn < 5 ? gfn + 1 : 5, FRAMES_2M - gfn - 1);
    }
    assert_int_equal(memory_returned().frames - pod_account(&f->pod).cached, 5);
}

/* ---- clean and dirty ------------------------------------------------------------------------ */

static void a_frame_that_was_never_written_comes_back_clean(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_2M);
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_2M);
    guest_write(f, GFN(3), 1);
    assert_int_equal(guest_read(f, GFN(515)), 0);
    must(decrease(f, GFN(0), FRAMES_2M));
    expect_clean_in_hand(f, 0);
    must(decrease(f, GFN(512), FRAMES_2M));
    expect_clean_in_hand(f, FRAMES_2M);
}

/* Of a leaf that was written somewhere, no piece is known to be clean. */
static void a_piece_of_a_written_leaf_comes_back_dirty(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_2M);
    guest_write(f, GFN(3), 1);
    must(decrease(f, GFN(77), 1));
    expect_account(f, FRAMES_1G, 1, FRAMES_2M - 1);
    expect_clean_in_hand(f, 0);
}

/* The processor still uses what it knew; the host looks at D after it has forgotten. */
static void a_write_through_a_translation_of_the_past_is_not_lost(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(3), GFN(4) };

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_2M);
    guest_write(f, GFN(3), 1);
    *memory_word(mfn_add(RAM, 3)) = 0;
    must(decrease_once(f, &range));
    assert_int_equal(processor_store(&f->processor, GFN(3), 0, 2).answer, ANSWER_CACHED);
    pod_settle(f);
    expect_account(f, FRAMES_1G, 1, FRAMES_2M - 1);
    expect_clean_in_hand(f, 0);
}

/* The write is noted in a table that a merge took out, and paying for that finds no leaf any more: it
 * left with all of its region. */
static void a_write_that_only_a_dead_table_knows_of_is_not_lost(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(FRAMES_1G) };
    struct p2m_debt merged = P2M_NO_DEBT;
    uint64_t generation;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_2M);
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    assert_int_equal(guest_read(f, GFN(0)), 0);
    must(p2m_merge(f->locked, GFN(0), ORDER_2M, &merged));
    guest_write(f, GFN(9), 42);
    assert_false(get(f, GFN(9)).dirty);
    must(decrease_once(f, &range));
    generation = p2m_begin_settle(&f->p2m);
    processor_flush(&f->processor);
    p2m_end_settle(&f->p2m, generation);
    pay_to_the_end(f->locked, &merged);
    pod_settle(f);
    expect_account(f, FRAMES_1G, FRAMES_2M, 0);
    expect_clean_in_hand(f, 0);
}

/* ---- mixtures ------------------------------------------------------------------------------- */

static void what_is_not_there_is_given_back_already(void **state)
{
    struct fixture *f = *state;

    POD_REFUSED(f, P2M_OK, decrease(f, GFN(0), f->config.end.gfn));
    must(mark(f, GFN(7), 1));
    must(decrease(f, GFN(0), f->config.end.gfn));
    expect_account(f, 0, 0, 0);
    expect_ballooned(f, 1);
}

static void marks_frames_and_holes_go_together(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    must(mark(f, GFN(0), FRAMES_2M));
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_2M);
    map(f, GFN(1030), mfn_add(RAM, 6), ORDER_4K);
    must(set(f, GFN(1031), mfn_add(RAM, 7), ORDER_4K, P2M_RAM_RO));
    must(mark(f, GFN(1032), 3));
    must(decrease(f, GFN(500), 1033 - 500));
    expect_account(f, FRAMES_1G + 500 + 2, FRAMES_2M + 2, 0);
    expect_ballooned(f, 12 + FRAMES_2M + 2 + 1);
    expect_entry(f, GFN(499), INVALID_MFN, ORDER_4K, P2M_POD);
    expect_entry(f, GFN(1033), INVALID_MFN, ORDER_4K, P2M_POD);
}

/* A region of leaves and marks goes as one subtree. */
static void a_whole_region_of_marks_and_frames_goes_at_once(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), 3 * FRAMES_1G));
    hand(f, RAM, ORDER_4K, POD_CLEAN);
    hand(f, mfn_add(RAM, 3 * FRAMES_2M), ORDER_2M, POD_CLEAN);
    guest_write(f, GFN(0x12345), 1);
    must(touch(f, GFN(0x23456)));
    expect_account(f, 3 * FRAMES_1G - FRAMES_2M - 1, 0, FRAMES_2M + 1);
    must(decrease(f, GFN(0), FRAMES_1G));
    expect_account(f, 2 * FRAMES_1G, FRAMES_2M + 1, 0);
    expect_ballooned(f, FRAMES_1G);
}

/* Frames one by one, in a region of which something stays. */
static void when_the_debt_is_full_the_range_says_how_far_it_came(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(100) };

    must(mark(f, GFN(0x40000), FRAMES_2M));
    for (uint64_t gfn = 0; gfn <= 100; gfn += 2)
        map(f, GFN(gfn), mfn_add(RAM, gfn), ORDER_4K);
    must(decrease_once(f, &range));
    assert_int_equal(f->debt.count, P2M_DEBT_MAX);
    assert_in_range(range.from.gfn, 2 * P2M_DEBT_MAX - 1, 2 * P2M_DEBT_MAX);
    POD_REFUSED(f, P2M_DEBT_FULL, decrease_once(f, &range));
    pod_settle(f);
    must(decrease(f, range.from, range.end.gfn - range.from.gfn));
    expect_account(f, FRAMES_2M, 50, 1);
}

static void a_region_of_which_nothing_stays_is_one_item(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(7), GFN(100) };
    uint64_t tables = memory_tables_in_use();

    for (uint64_t gfn = 7; gfn < 100; gfn += 2)
        map(f, GFN(gfn), mfn_add(RAM, gfn), ORDER_4K);
    must(decrease_once(f, &range));
    assert_int_equal(range.from.gfn, 100);
    assert_int_equal(f->debt.count, 1);
    pod_settle(f);
    expect_account(f, 0, 0, 0);
    expect_ballooned(f, 47);
    assert_int_equal(memory_tables_in_use(), tables + 2); /* it was three */
    assert_int_equal(memory_returned().frames, 47);
}

/* ---- what is not the guest's to give -------------------------------------------------------- */

static void pages_of_the_hosts_and_broken_ones_stay(void **state)
{
    static const enum p2m_type types[] = { P2M_MMIO, P2M_SPECIAL, P2M_BROKEN };
    static const uint64_t places[] = { 0, 255, 511 };
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    for (unsigned type = 0; type < 3; type++) {
        for (unsigned i = 0; i < 3; i++) {
            map(f, GFN(0), RAM, ORDER_2M);
            must(set(f, GFN(places[i]), RAM, ORDER_4K, P2M_INVALID));
            pod_settle(f);
            must(set(f, GFN(places[i]), mfn_add(RAM, FRAMES_1G), ORDER_4K, types[type]));
            POD_REFUSED(f, P2M_BAD_TYPE, decrease(f, GFN(0), FRAMES_2M));
            must(set(f, GFN(0), RAM, ORDER_2M, P2M_INVALID));
            pod_settle(f);
            empty_to_the_end(f->locked, &f->pod);
        }
    }
}

static void a_pinned_frame_stays_and_all_around_it(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_2M);
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_4K);
    must(p2m_pin(f->locked, GFN(512)));
    POD_REFUSED(f, P2M_BUSY, decrease(f, GFN(0), 600));
    POD_REFUSED(f, P2M_BUSY, decrease(f, GFN(512), 1));
    p2m_unpin(f->locked, GFN(512));
    must(decrease(f, GFN(0), 600));
    expect_account(f, FRAMES_1G, FRAMES_2M + 1, 0);
}

static void a_decrease_lies_within_the_map(void **state)
{
    struct fixture *f = *state;
    uint64_t end = f->config.end.gfn;
    struct gfn_range empty = { GFN(7), GFN(7) }, inverted = { GFN(7), GFN(6) };

    must(mark(f, GFN(end - 1), 1));
    POD_REFUSED(f, P2M_BAD_RANGE, decrease(f, GFN(end - 1), 2));
    POD_REFUSED(f, P2M_BAD_RANGE, decrease(f, GFN(UINT64_MAX - 1), 1));
    POD_REFUSED(f, P2M_BAD_RANGE, decrease_once(f, &empty));
    POD_REFUSED(f, P2M_BAD_RANGE, decrease_once(f, &inverted));
}

/* ---- no table page -------------------------------------------------------------------------- */

static void a_decrease_that_finds_no_table_page_changes_nothing(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), 2 * FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_1G);
    for (unsigned nth = 1; nth <= 4; nth++) {
        memory_fail_allocation(nth);
        POD_REFUSED(f, P2M_NO_MEMORY, decrease(f, GFN(0x3fff8), 0x10));
    }
    memory_fail_allocation(0);
    must(decrease(f, GFN(0x3fff8), 0x10));
    expect_account(f, 2 * FRAMES_1G - 8, 8, FRAMES_1G - 8);
}

/* The guest then has less than its target, and the host can see that. */
static void frames_for_which_there_is_no_node_are_the_hosts(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(FRAMES_2M) };

    must(mark(f, GFN(0x40000), FRAMES_1G));
    map(f, GFN(0), RAM, ORDER_2M);
    must(decrease_once(f, &range));
    memory_fail_allocation(1);
    pod_settle(f);
    expect_account(f, FRAMES_1G, 0, 0);
    assert_int_equal(pod_cache_counts(&f->pod).pages, 0);
    assert_true(memory_frames_are(RAM, FRAMES_2M, FRAME_HOME));
}

/* ---- what comes back by other ways ---------------------------------------------------------- */

static bool is_accepted(struct fixture *f, enum p2m_type type, enum p2m_type became)
{
    struct p2m_frames frames = { .mfn = RAM, .type = type, .became = became, .dirty = true };
    bool accepted = pod_accept(f->locked, &f->pod, &frames);

    expect_in_hand(f, 0, 0, accepted);
    empty_to_the_end(f->locked, &f->pod);
    return accepted;
}

static void only_ram_that_is_whole_is_accepted(void **state)
{
    struct fixture *f = *state;

    assert_false(is_accepted(f, P2M_RAM_RW, P2M_INVALID)); /* nothing is owed */
    must(mark(f, GFN(0x40000), FRAMES_1G));
    assert_true(is_accepted(f, P2M_RAM_RW, P2M_INVALID));
    assert_true(is_accepted(f, P2M_RAM_RO, P2M_INVALID));
    assert_true(is_accepted(f, P2M_RAM_RW, P2M_POD));
    assert_true(is_accepted(f, P2M_RAM_HELD, P2M_INVALID));
    assert_false(is_accepted(f, P2M_RAM_RW, P2M_BROKEN));
    assert_false(is_accepted(f, P2M_SPECIAL, P2M_INVALID));
    assert_false(is_accepted(f, P2M_MMIO, P2M_INVALID));
}

static void a_frame_that_a_mark_replaced_is_in_hand(void **state)
{
    struct fixture *f = *state;

    map(f, GFN(0), RAM, ORDER_2M);
    guest_write(f, GFN(0), 1);
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD));
    pod_settle(f);
    expect_account(f, FRAMES_2M, FRAMES_2M, 0);
    expect_clean_in_hand(f, 0);
    assert_int_equal(guest_read(f, GFN(0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(marks_just_disappear),
        POD_FOR_BOTH_FORMATS(a_whole_mark_disappears_in_one_step),
        POD_FOR_BOTH_FORMATS(what_was_in_hand_for_marks_that_went_is_the_hosts),
        POD_FOR_BOTH_FORMATS(in_debt_frames_stay_in_hand),
        POD_FOR_BOTH_FORMATS(in_debt_a_whole_1gb_leaf_stays_in_hand),
        POD_FOR_BOTH_FORMATS(out_of_debt_frames_are_the_hosts),
        POD_FOR_BOTH_FORMATS(without_marks_frames_are_the_hosts),
        POD_FOR_BOTH_FORMATS(what_is_more_than_the_debt_is_the_hosts),
        POD_FOR_BOTH_FORMATS(the_last_frame_that_is_owed_is_the_last_that_stays),
        POD_FOR_BOTH_FORMATS(a_frame_that_was_never_written_comes_back_clean),
        POD_FOR_BOTH_FORMATS(a_piece_of_a_written_leaf_comes_back_dirty),
        POD_FOR_BOTH_FORMATS(a_write_through_a_translation_of_the_past_is_not_lost),
        POD_FOR_BOTH_FORMATS(a_write_that_only_a_dead_table_knows_of_is_not_lost),
        POD_FOR_BOTH_FORMATS(what_is_not_there_is_given_back_already),
        POD_FOR_BOTH_FORMATS(marks_frames_and_holes_go_together),
        POD_FOR_BOTH_FORMATS(a_whole_region_of_marks_and_frames_goes_at_once),
        POD_FOR_BOTH_FORMATS(when_the_debt_is_full_the_range_says_how_far_it_came),
        POD_FOR_BOTH_FORMATS(a_region_of_which_nothing_stays_is_one_item),
        POD_FOR_BOTH_FORMATS(pages_of_the_hosts_and_broken_ones_stay),
        POD_FOR_BOTH_FORMATS(a_pinned_frame_stays_and_all_around_it),
        POD_FOR_BOTH_FORMATS(a_decrease_lies_within_the_map),
        POD_FOR_BOTH_FORMATS(a_decrease_that_finds_no_table_page_changes_nothing),
        POD_FOR_BOTH_FORMATS(frames_for_which_there_is_no_node_are_the_hosts),
        POD_FOR_BOTH_FORMATS(only_ram_that_is_whole_is_accepted),
        POD_FOR_BOTH_FORMATS(a_frame_that_a_mark_replaced_is_in_hand),
    };

    return cmocka_run_group_tests_name("pod_decrease", tests, NULL, NULL);
}
