/* SPDX-License-Identifier: MIT */
/*
 * p2m/reclaim.c, the way a sweep goes round: cursors, batches, budgets, the end of a fruitless tour;
 * and what it says when it cannot go on.
 */
#include "pod_fixture.h"

#define RAM  MFN(0x40000)
#define HERE GFN(0x40000)

/* A leaf that was written, and holds zeroes again but for one word that no glance can see. */
static void map_nearly_zero(struct fixture *f, gfn_t gfn, mfn_t mfn, unsigned order)
{
    map(f, gfn, mfn, order);
    guest_write_at(f, gfn, 5, 1);
}

static enum p2m_error protect(struct fixture *f, struct pod_sweep_kind kind,
                              struct pod_sweep *sweep)
{
    return pod_sweep_protect(f->locked, &f->pod, kind, sweep, &f->debt);
}

static enum p2m_error protect_alone(struct fixture *f, struct pod_sweep_kind kind)
{
    struct pod_sweep sweep;

    return protect(f, kind, &sweep);
}

/* ---- tours ---------------------------------------------------------------------------------- */

static void so_many_leaves_at_once_and_a_whole_gb_alone(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 20; i++) {
        map(f, GFN(i * 3), mfn_add(RAM, i), ORDER_4K);
        map(f, GFN(FRAMES_1G + i * FRAMES_2M), mfn_add(RAM, (i + 1) * FRAMES_2M), ORDER_2M);
    }
    map(f, GFN(2 * FRAMES_1G), mfn_add(RAM, FRAMES_1G), ORDER_1G);
    map(f, GFN(3 * FRAMES_1G), mfn_add(RAM, 2 * FRAMES_1G), ORDER_1G);
    assert_int_equal(sweep_once(f, sweep_leaves[0]), POD_SWEEP_MAX);
    assert_int_equal(sweep_once(f, sweep_leaves[0]), 20 - POD_SWEEP_MAX);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), POD_SWEEP_MAX * FRAMES_2M);
    assert_int_equal(sweep_once(f, sweep_leaves[2]), FRAMES_1G);
    assert_int_equal(sweep_once(f, sweep_leaves[2]), FRAMES_1G);
    assert_int_equal(sweep_once(f, sweep_leaves[2]), 0);
}

static void a_leaf_below_the_cursor_is_found(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        pod_restart(f, ORDER_1G);
        map(f, GFN(2 * FRAMES_1G), RAM, sweep_leaves[size].order);
        assert_int_equal(sweep_once(f, sweep_leaves[size]), order_frames(sweep_leaves[size].order));
        map(f, GFN(0), mfn_add(RAM, FRAMES_1G), sweep_leaves[size].order);
        assert_int_equal(sweep_once(f, sweep_leaves[size]), order_frames(sweep_leaves[size].order));
        assert_int_equal(get(f, GFN(0)).type, P2M_POD);
    }
}

/* The cursor stands in the middle of what is one leaf now: none of it may be missed, and no frame
 * that is not of it may be read. */
static void a_leaf_that_grew_around_the_cursor_is_found(void **state)
{
    struct fixture *f = *state;

    map(f, HERE, RAM, ORDER_2M);
    must(p2m_split(f->locked, HERE, ORDER_4K));
    assert_int_equal(sweep_once(f, sweep_leaves[0]), POD_SWEEP_MAX);
    assert_int_not_equal(f->pod.cursor[POD_LEAVES][0].gfn.gfn % 512, 0);
    f->pod.cursor[POD_LEAVES][1].gfn = f->pod.cursor[POD_LEAVES][0].gfn;
    must(set(f, HERE, RAM, ORDER_2M, P2M_INVALID));
    pod_settle(f);
    empty_to_the_end(f->locked, &f->pod);
    map(f, HERE, RAM, ORDER_2M);
    guest_write_at(f, HERE, 0, 0);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), FRAMES_2M);
}

static void one_call_looks_at_a_bounded_number_of_entries(void **state)
{
    struct fixture *f = *state;
    struct gfn_range many = { GFN(0), GFN(3 * POD_SWEEP_LOOKS) };

    must(set_range(f, many, mfn_add(RAM, 1), P2M_RAM_RO)); /* out of step: 4 KB each */
    map(f, many.end, RAM, ORDER_4K);
    for (unsigned i = 0; i < 3; i++)
        POD_REFUSED(f, P2M_AGAIN, protect_alone(f, sweep_leaves[0]));
    assert_int_equal(sweep_once(f, sweep_leaves[0]), 1);
}

static void an_empty_map_is_toured_in_few_steps(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < POD_SWEEP_KINDS; i++)
        POD_REFUSED(f, P2M_EMPTY, protect_alone(f, pod_sweep_kinds[i]));
}

/* Leaves that look like zeroes to every glance, and are not: each is read once a tour. */
static void a_tour_without_a_find_comes_to_an_end(void **state)
{
    struct fixture *f = *state;

    for (unsigned kind = 0; kind < POD_SWEEP_KINDS; kind++) {
        unsigned order = pod_sweep_kinds[kind].order, rounds = 0;

        if (pod_sweep_kinds[kind].depth == POD_PIECES)
            order += ORDER_STEP;
        pod_restart(f, ORDER_1G);
        for (uint64_t i = 0; i < (order == ORDER_1G ? 2 : 20); i++) {
            gfn_t gfn = GFN(i << order);

            map_nearly_zero(f, gfn, mfn_add(RAM, gfn.gfn), order);
            if (pod_sweep_kinds[kind].depth == POD_PIECES)
                for (uint64_t piece = 0; piece < 512; piece++)
                    guest_write_at(f, gfn_add(gfn, piece << pod_sweep_kinds[kind].order), 5, 1);
        }
        for (struct pod_sweep sweep; sweep_begin(f, pod_sweep_kinds[kind], &sweep) == P2M_OK;) {
            pod_settle(f);
            sweep_scan(f, &sweep);
            assert_int_equal(sweep_finish(f, &sweep), 0);
            assert_in_range(++rounds, 1, 20 * 512 / POD_SWEEP_MAX + 2);
        }
        assert_int_equal(rounds == 0, pod_sweep_kinds[kind].depth == POD_UNWRITTEN);
    }
}

/* Where the last entry ends with the map, and not beyond it. */
static void a_tour_of_a_map_with_an_even_end_comes_to_an_end(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    f->config.end = GFN(2 * FRAMES_1G);
    pod_restart(f, ORDER_1G);
    for (uint64_t i = 0; i < 2 * FRAMES_1G; i += FRAMES_1G) {
        map(f, GFN(i), mfn_add(RAM, i), ORDER_1G);
        guest_write(f, GFN(i), 1);
    }
    assert_int_equal(sweep_begin(f, sweep_leaves[order_size(ORDER_1G)], &sweep), P2M_EMPTY);
}

/* What could not be taken a moment ago may be taken now. */
static void after_a_fruitless_tour_there_is_another(void **state)
{
    struct fixture *f = *state;

    map_nearly_zero(f, HERE, RAM, ORDER_2M);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), 0);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), 0);
    guest_write_at(f, HERE, 5, 0);
    for (unsigned i = 0; i < 2 && pod_account(&f->pod).cached == 0; i++)
        sweep_once(f, sweep_leaves[1]);
    expect_account(f, FRAMES_2M, FRAMES_2M, 0);
}

/* ---- refusals and failures ------------------------------------------------------------------ */

static void a_second_sweep_waits_for_the_first(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, HERE, RAM, ORDER_4K);
    map(f, gfn_add(HERE, FRAMES_2M), mfn_add(RAM, FRAMES_2M), ORDER_2M);
    must(sweep_begin(f, sweep_leaves[0], &sweep));
    POD_REFUSED(f, P2M_BUSY, protect_alone(f, sweep_leaves[1]));
    POD_REFUSED(f, P2M_BUSY, protect(f, sweep_leaves[1], &sweep)); /* nor does the first suffer */
    pod_settle(f);
    assert_int_equal(sweep_finish(f, &sweep), 1);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), FRAMES_2M);
}

static void without_a_table_page_nothing_is_split_and_nothing_held(void **state)
{
    struct fixture *f = *state;

    for (unsigned nth = 1; nth <= 2; nth++) {
        pod_restart(f, ORDER_1G);
        map(f, HERE, RAM, ORDER_1G);
        memory_fail_allocation(nth);
        f->pod.cursor[POD_PIECES][0].gfn = HERE;
        POD_REFUSED(f, P2M_NO_MEMORY, protect_alone(f, sweep_pieces[0]));
        memory_fail_allocation(0);
        assert_int_equal(sweep_once(f, sweep_pieces[0]), POD_SWEEP_MAX);
    }
}

static void what_was_held_before_table_pages_ran_out_is_swept(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, GFN(0), RAM, ORDER_2M);
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_2M);
    for (uint64_t i = 0; i < 512; i++)
        guest_write(f, GFN(i), i != 488); /* one frame of the first is zero */
    memory_fail_allocation(2);
    must(sweep_begin(f, sweep_pieces[0], &sweep));
    memory_fail_allocation(0);
    pod_settle(f);
    sweep_scan(f, &sweep);
    assert_int_equal(sweep_finish(f, &sweep), 1);
    assert_int_equal(get(f, GFN(488)).type, P2M_POD);
    expect_entry(f, GFN(512), mfn_add(RAM, 512), ORDER_2M, P2M_RAM_RW);
}

static void what_was_not_scanned_is_taken_only_where_it_is_known(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, HERE, RAM, ORDER_4K);
    map(f, gfn_add(HERE, 1), mfn_add(RAM, 1), ORDER_4K);
    guest_write(f, gfn_add(HERE, 1), 0);
    must(sweep_begin(f, sweep_leaves[0], &sweep));
    assert_int_equal(sweep.count, 2);
    assert_int_equal(sweep_finish(f, &sweep), 1);
    expect_entry(f, gfn_add(HERE, 1), mfn_add(RAM, 1), ORDER_4K, P2M_RAM_RW);
    assert_int_equal(get(f, HERE).type, P2M_POD);
}

static void what_has_no_room_in_the_debt_stays(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    for (uint64_t i = 0; i < 20; i++)
        map(f, GFN(2 * i), mfn_add(RAM, 2 * i), ORDER_4K);
    for (uint64_t i = 17; i < 20; i++)
        must(set(f, GFN(2 * i), INVALID_MFN, ORDER_4K, P2M_INVALID));
    must(sweep_begin(f, sweep_leaves[0], &sweep));
    assert_int_equal(sweep.count, POD_SWEEP_MAX);
    assert_int_equal(sweep_finish(f, &sweep), POD_SWEEP_MAX - 3);
    pod_settle(f);
    assert_int_equal(f->p2m.counts.ram[0], 4);
}

static void zero_frames_for_which_there_is_no_node_are_the_hosts(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, HERE, RAM, ORDER_4K);
    must(sweep_begin(f, sweep_leaves[0], &sweep));
    pod_settle(f);
    sweep_scan(f, &sweep);
    assert_int_equal(sweep_finish(f, &sweep), 1);
    memory_fail_allocation(1);
    pod_settle(f);
    expect_account(f, 1, 0, 0);
    assert_int_equal(memory_frame_state(RAM), FRAME_HOME);
}

/* ---- before a superpage's mark is filled by frames ------------------------------------------- */

static bool prefers(const struct fixture *f, gfn_t gfn)
{
    return pod_prefers_sweep(f->locked, &f->pod, gfn);
}

/* Marks of all sizes, a superpage that was populated and never written, and frames in hand. */
static void start_in_frames(struct fixture *f)
{
    pod_restart(f, ORDER_1G);
    must(mark(f, HERE, FRAMES_1G));
    must(mark(f, GFN(0), FRAMES_2M + 1));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    must(touch(f, HERE));
    hand(f, mfn_add(RAM, FRAMES_1G), ORDER_4K, POD_CLEAN);
}

static void a_sweep_comes_before_a_superpage_is_filled_by_frames(void **state)
{
    struct fixture *f = *state;

    start_in_frames(f);
    assert_true(prefers(f, GFN(5)));                        /* 2 MB */
    assert_true(prefers(f, gfn_add(HERE, 2 * FRAMES_2M)));  /* 2 MB of 1 GB */
    assert_false(prefers(f, GFN(FRAMES_2M)));               /* 4 KB */
    assert_false(prefers(f, HERE));                         /* memory */
    assert_false(prefers(f, GFN(2 * FRAMES_1G)));           /* nothing */
    assert_int_equal(sweep_once(f, pod_sweep_kinds[0]), 0); /* it was populated just now */
    assert_false(prefers(f, GFN(5)));
}

static void no_sweep_is_preferred_where_a_superpage_is_in_hand(void **state)
{
    struct fixture *f = *state;

    for (unsigned order = ORDER_2M; order <= ORDER_1G; order += ORDER_STEP) {
        start_in_frames(f);
        must(mark(f, GFN(2 * FRAMES_1G), FRAMES_1G));
        hand(f, mfn_add(RAM, 2 * FRAMES_1G), order, POD_CLEAN);
        assert_false(prefers(f, GFN(5)));
    }
    start_in_frames(f);
    f->pod.max_order = ORDER_4K;
    assert_false(prefers(f, GFN(5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(so_many_leaves_at_once_and_a_whole_gb_alone),
        POD_FOR_BOTH_FORMATS(a_leaf_below_the_cursor_is_found),
        POD_FOR_BOTH_FORMATS(a_leaf_that_grew_around_the_cursor_is_found),
        POD_FOR_BOTH_FORMATS(one_call_looks_at_a_bounded_number_of_entries),
        POD_FOR_BOTH_FORMATS(an_empty_map_is_toured_in_few_steps),
        POD_FOR_BOTH_FORMATS(a_tour_without_a_find_comes_to_an_end),
        POD_FOR_BOTH_FORMATS(a_tour_of_a_map_with_an_even_end_comes_to_an_end),
        POD_FOR_BOTH_FORMATS(after_a_fruitless_tour_there_is_another),
        POD_FOR_BOTH_FORMATS(a_second_sweep_waits_for_the_first),
        POD_FOR_BOTH_FORMATS(without_a_table_page_nothing_is_split_and_nothing_held),
        POD_FOR_BOTH_FORMATS(what_was_held_before_table_pages_ran_out_is_swept),
        POD_FOR_BOTH_FORMATS(what_was_not_scanned_is_taken_only_where_it_is_known),
        POD_FOR_BOTH_FORMATS(what_has_no_room_in_the_debt_stays),
        POD_FOR_BOTH_FORMATS(zero_frames_for_which_there_is_no_node_are_the_hosts),
        POD_FOR_BOTH_FORMATS(a_sweep_comes_before_a_superpage_is_filled_by_frames),
        POD_FOR_BOTH_FORMATS(no_sweep_is_preferred_where_a_superpage_is_in_hand),
    };

    return cmocka_run_group_tests_name("reclaim_tour", tests, NULL, NULL);
}
