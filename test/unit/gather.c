/* SPDX-License-Identifier: MIT */
/*
 * p2m/gather.c: whole GBs of the machine come together again, where it is worth it. What comes
 * between is in gather_race.c.
 */
#include "gather_layout.h"

/* ---- a block for nobody in particular ------------------------------------------------------- */

static void a_block_nearly_in_hand_becomes_whole(void **state)
{
    struct fixture *f = *state;
    struct pod_account before;

    lay_out_a_block(f);
    before = pod_account(&f->pod);
    assert_true(gather_start(f));
    assert_true(pod_gather_slot(&f->pod).gfn >= NOWHERE(f));
    assert_true(pod_cache_is_aside(&f->pod, BLOCK(1)));
    assert_int_equal(gather_all(f, 5), 4);
    assert_int_equal(pod_cache_counts(&f->pod).blocks[order_size(ORDER_1G)], 1);
    assert_int_equal(gbs_gathered(f), 1);
    assert_false(pod_cache_is_aside(&f->pod, BLOCK(1)));
    expect_entry(f, SLOT(0), INVALID_MFN, ORDER_1G, P2M_POD);
    expect_a_block(f);
    expect_settled(f, before);
    expect_nothing_to_gather(f);
}

/* Then what is looked at last ends where the map does. */
static void a_map_of_whole_gbs_is_gathered_to_its_end(void **state)
{
    struct fixture *f = *state;
    gfn_t end = f->config.end;

    f->config.end = SLOT(8);
    lay_out_a_block(f);
    assert_true(gather_start(f));
    assert_int_equal(gather_all(f, 5), 4);
    expect_nothing_to_gather(f);
    f->config.end = end;
    pod_restart(f, ORDER_1G);
}

/* Two of them, and nothing happens in between. */
static void one_block_after_the_other_becomes_whole(void **state)
{
    struct fixture *f = *state;

    pod_restart(f, ORDER_1G);
    must(mark(f, SLOT(0), FRAMES_1G));
    must(mark(f, SLOT(1), FRAMES_1G));
    must(mark(f, SLOT(3), FRAMES_1G));
    lay_piece(f, 2, 1, machine_piece(1, 100));
    lay_piece(f, 2, 2, machine_piece(2, 100));
    hand_pieces(f, 1, 0, 100);
    hand_pieces(f, 1, 101, PIECES);
    hand_pieces(f, 2, 0, 100);
    hand_pieces(f, 2, 101, PIECES);
    hand_pieces(f, 3, 7, 9);
    gather_all(f, 10);
    assert_int_equal(whole_gigabytes(f), 2);
    assert_int_equal(gbs_gathered(f), 2);
    expect_pieces(f, 2, 1, 3);
    expect_nothing_to_gather(f);
}

/* ---- a slot is completed -------------------------------------------------------------------- */

static void a_partly_populated_slot_becomes_one_leaf(void **state)
{
    struct fixture *f = *state;
    struct pod_account now;

    lay_out_a_slot(f);
    now = pod_account(&f->pod);
    now.entries -= 500 * FRAMES_2M;
    now.cached -= 500 * FRAMES_2M;
    now.populated += 500 * FRAMES_2M;
    assert_true(gather_start(f));
    assert_int_equal(pod_gather_slot(&f->pod).gfn, SLOT(1).gfn);
    assert_int_equal(gather_all(f, 10), 4); /* the piece in its own block moves twice */
    expect_entry(f, SLOT(1), BLOCK(1), ORDER_1G, P2M_RAM_RW);
    assert_int_equal(gbs_gathered(f), 1);
    expect_populates(f, 1, 0, 0);
    expect_a_slot(f);
    assert_true(memory_is_zero(machine_piece(1, 12), 500 * FRAMES_2M));
    expect_settled(f, now);
    expect_nothing_to_gather(f);
}

/* Pieces 5 to 7 are at each other's places, 9 is elsewhere; nothing is left to populate. */
static void a_scattered_slot_becomes_one_leaf(void **state)
{
    struct fixture *f = *state;
    struct pod_account before;

    pod_restart(f, ORDER_1G);
    for (unsigned index = 0; index < PIECES; index++)
        if (index != 9 && (index < 5 || index > 7))
            lay_piece(f, 1, index, machine_piece(1, index));
    lay_piece(f, 1, 5, machine_piece(1, 6));
    lay_piece(f, 1, 6, machine_piece(1, 7));
    lay_piece(f, 1, 7, machine_piece(1, 5));
    lay_piece(f, 1, 9, machine_piece(2, 9));
    hand_pieces(f, 1, 9, 10);
    hand_pieces(f, 2, 20, 21);
    promise_the_rest(f);
    before = pod_account(&f->pod);
    assert_int_equal(gather_all(f, 10), 5);
    expect_entry(f, SLOT(1), BLOCK(1), ORDER_1G, P2M_RAM_RW);
    expect_pieces(f, 1, 0, PIECES);
    expect_populates(f, 0, 0, 0); /* nothing was promised there */
    assert_int_equal(gbs_gathered(f), 1);
    expect_settled(f, before);
}

static void what_is_dirty_is_cleared_before_a_slot_is_completed(void **state)
{
    struct fixture *f = *state;
    unsigned cleared = 0, steps = 0;
    enum p2m_error error;

    lay_out_a_slot(f);
    for (unsigned index = 50; index < 53; index++) {
        mfn_t mfn = machine_piece(1, index);

        assert_true(mfn_is_valid(pod_cache_take_at(f->locked, &f->pod, mfn, ORDER_2M).mfn));
        hand(f, mfn, ORDER_2M, POD_DIRTY);
    }
    do {
        error = gather_step(f);
        cleared += error == P2M_BUSY;
        assert_true(++steps < 20);
    } while (error != P2M_EMPTY);
    assert_true(cleared >= 3); /* and what was moved away is dirty too */
    expect_entry(f, SLOT(1), BLOCK(1), ORDER_1G, P2M_RAM_RW);
    assert_true(memory_is_zero(machine_piece(1, 12), 500 * FRAMES_2M));
    expect_a_slot(f);
}

/* One that is being cleared at the moment is in no shelf of the cache. */
static void a_slot_waits_for_what_is_being_cleared(void **state)
{
    struct fixture *f = *state;
    mfn_t mfn = machine_piece(1, 50);
    struct pod_grant grant;
    struct pod_move move;

    lay_out_a_slot(f);
    (void)pod_cache_take_at(f->locked, &f->pod, mfn, ORDER_2M);
    hand(f, mfn, ORDER_2M, POD_DIRTY);
    while (gather_step(f) == P2M_OK)
        ;
    assert_true(pod_clean_begin(f->locked, &f->pod, &grant));
    assert_int_equal(frame_align_down(grant.mfn.mfn, ORDER_1G), BLOCK(1).mfn);
    assert_int_equal(gather_next_to_the_end(f->locked, &f->pod, &move, &f->debt), P2M_BUSY);
    memory_clear(grant.mfn, order_frames(grant.order));
    pod_clean_end(f->locked, &f->pod, &grant);
    gather_all(f, 5);
    expect_entry(f, SLOT(1), BLOCK(1), ORDER_1G, P2M_RAM_RW);
    expect_a_slot(f);
}

/* ---- not worth it, or not to be had --------------------------------------------------------- */

static void nothing_is_gathered_where_the_host_has_frames(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    (void)pod_cache_take_at(f->locked, &f->pod, machine_piece(1, 3), ORDER_2M);
    expect_nothing_to_gather(f);
    lay_out_a_slot(f);
    (void)pod_cache_take_at(f->locked, &f->pod, mfn_add(machine_piece(1, 13), 9), ORDER_4K);
    expect_nothing_to_gather(f);
}

static void nothing_is_gathered_where_a_page_of_the_hosts_is(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    (void)pod_cache_take_at(f->locked, &f->pod, machine_piece(1, 3), ORDER_2M);
    must(set(f, guest_piece(1, 77), machine_piece(1, 3), ORDER_2M, P2M_SPECIAL));
    expect_nothing_to_gather(f);
}

static void nothing_is_gathered_without_room(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    for (unsigned index = 20; index < 24; index++)
        (void)pod_cache_take_at(f->locked, &f->pod, machine_piece(2, index), ORDER_2M);
    expect_nothing_to_gather(f);
}

/* It would cost as much as it brings. */
static void no_whole_block_is_broken_for_another(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    for (unsigned index = 20; index < 24; index++)
        (void)pod_cache_take_at(f->locked, &f->pod, machine_piece(2, index), ORDER_2M);
    hand(f, BLOCK(3), ORDER_1G, POD_CLEAN);
    expect_nothing_to_gather(f);
}

/* There is room by the number of frames, but not for a leaf of 2 MB. */
static void no_whole_block_is_broken_when_the_room_is_in_pieces(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    must(mark(f, SLOT(3), FRAMES_1G));
    for (unsigned index = 20; index < 24; index++) {
        (void)pod_cache_take_at(f->locked, &f->pod, machine_piece(2, index), ORDER_2M);
        must(pod_cache_reserve(f->locked, &f->pod, 1));
        for (unsigned i = 1; i < FRAMES_2M; i++)
            pod_cache_add(f->locked, &f->pod, mfn_add(machine_piece(2, index), i), ORDER_4K,
                          POD_CLEAN);
    }
    hand(f, BLOCK(3), ORDER_1G, POD_CLEAN);
    gather_all(f, 10);
    assert_int_equal(whole_gigabytes(f), 1);
    assert_int_equal(gbs_gathered(f), 0);
    expect_a_block(f);
}

/* So many pieces of block 1 are slot 1's, all others are in hand; no other block is as full. */
static void lay_out_in_the_way(struct fixture *f, unsigned pieces)
{
    pod_restart(f, ORDER_1G);
    must(mark(f, SLOT(0), FRAMES_1G));
    for (unsigned index = 0; index < pieces; index++)
        lay_piece(f, 1, index, machine_piece(1, PIECES - 1 - index));
    hand_pieces(f, 1, 0, PIECES - pieces);
    hand_pieces(f, 2, 0, pieces / 2);
    hand_pieces(f, 3, 0, pieces - pieces / 2);
}

static void nothing_is_gathered_that_costs_too_much(void **state)
{
    struct fixture *f = *state;

    lay_out_in_the_way(f, PIECES / 2);
    expect_account(f, FRAMES_1G, FRAMES_1G, FRAMES_1G / 2);
    assert_true(gather_start(f));
    lay_out_in_the_way(f, PIECES / 2 + 1);
    expect_nothing_to_gather(f);
}

static void a_slot_in_order_is_left_to_a_merge(void **state)
{
    struct fixture *f = *state;

    pod_restart(f, ORDER_1G);
    for (unsigned index = 0; index < PIECES; index++)
        lay_piece(f, 1, index, machine_piece(1, index));
    hand_pieces(f, 2, 20, 21);
    promise_the_rest(f);
    expect_nothing_to_gather(f);
}

static void a_slot_that_is_not_all_promised_is_left_alone(void **state)
{
    struct fixture *f = *state;

    lay_out_a_slot(f);
    must(decrease(f, guest_piece(1, 20), FRAMES_2M));
    expect_nothing_to_gather(f);
}

/* Each at the place of its neighbour: all of them would have to move. */
static void what_is_astray_within_its_own_block_costs_too(void **state)
{
    struct fixture *f = *state;

    for (unsigned astray = PIECES / 2; astray <= PIECES / 2 + 2; astray += 2) {
        pod_restart(f, ORDER_1G);
        for (unsigned index = 0; index < PIECES; index++)
            lay_piece(f, 1, index, machine_piece(1, index < astray ? index ^ 1 : index));
        hand_pieces(f, 2, 20, 21);
        promise_the_rest(f);
        assert_int_equal(gather_start(f), astray == PIECES / 2);
    }
}

/* The balloon may take it out of the way unasked. */
static void less_is_worth_it_while_the_balloon_owes(void **state)
{
    struct fixture *f = *state;

    lay_out_in_the_way(f, PIECES / 8);
    must(mark(f, SLOT(2), FRAMES_1G));
    assert_true(gather_start(f));
    lay_out_in_the_way(f, PIECES / 8 + 1);
    must(mark(f, SLOT(2), FRAMES_1G));
    expect_nothing_to_gather(f);
}

static void it_must_be_found_twice(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    assert_int_equal(gather_start_to_the_end(f->locked, &f->pod), P2M_EMPTY);
    must(decrease(f, guest_piece(1, 5), FRAMES_2M));
    assert_int_equal(gather_start_to_the_end(f->locked, &f->pod), P2M_EMPTY); /* less by now */
    assert_false(pod_cache_is_aside(&f->pod, BLOCK(1)));
    must(gather_start_to_the_end(f->locked, &f->pod));
    must(gather_start_to_the_end(f->locked, &f->pod)); /* it goes on */
}

static void nothing_is_gathered_where_1_gb_is_not_populated(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    f->pod.max_order = ORDER_2M;
    expect_nothing_to_gather(f);
    f->pod.max_order = ORDER_1G;
    f->p2m.config.max_order = ORDER_2M;
    expect_nothing_to_gather(f);
    f->p2m.config.max_order = ORDER_1G;
    assert_true(gather_start(f));
}

/* It could not be one leaf: then no memory is spent on it. */
static void a_slot_of_two_types_is_not_completed(void **state)
{
    struct fixture *f = *state;
    struct p2m_mapping read_only = { machine_piece(1, 3), ORDER_2M, P2M_RAM_RO };
    uint64_t populated;

    lay_out_a_slot(f);
    assert_true(gather_start(f));
    must(p2m_set_entry(f->locked, guest_piece(1, 3), read_only, &f->debt));
    pod_settle(f);
    populated = pod_account(&f->pod).populated;
    gather_all(f, 5);
    assert_int_equal(pod_account(&f->pod).populated, populated);
    assert_int_equal(get(f, SLOT(1)).order, ORDER_2M);
}

static void no_slot_is_completed_while_the_balloon_owes(void **state)
{
    struct fixture *f = *state;

    lay_out_a_slot(f);
    must(mark(f, guest_piece(2, 0), 1));
    expect_nothing_to_gather(f);
}

static void nothing_is_gathered_where_no_mark_is_whole(void **state)
{
    struct fixture *f = *state;

    lay_out_a_block(f);
    must(p2m_split(f->locked, SLOT(0), ORDER_2M));
    must(p2m_split(f->locked, SLOT(2), ORDER_2M));
    expect_nothing_to_gather(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_block_nearly_in_hand_becomes_whole),
        POD_FOR_BOTH_FORMATS(a_map_of_whole_gbs_is_gathered_to_its_end),
        POD_FOR_BOTH_FORMATS(one_block_after_the_other_becomes_whole),
        POD_FOR_BOTH_FORMATS(a_partly_populated_slot_becomes_one_leaf),
        POD_FOR_BOTH_FORMATS(a_scattered_slot_becomes_one_leaf),
        POD_FOR_BOTH_FORMATS(what_is_dirty_is_cleared_before_a_slot_is_completed),
        POD_FOR_BOTH_FORMATS(a_slot_waits_for_what_is_being_cleared),
        POD_FOR_BOTH_FORMATS(nothing_is_gathered_where_the_host_has_frames),
        POD_FOR_BOTH_FORMATS(nothing_is_gathered_where_a_page_of_the_hosts_is),
        POD_FOR_BOTH_FORMATS(nothing_is_gathered_without_room),
        POD_FOR_BOTH_FORMATS(no_whole_block_is_broken_for_another),
        POD_FOR_BOTH_FORMATS(no_whole_block_is_broken_when_the_room_is_in_pieces),
        POD_FOR_BOTH_FORMATS(nothing_is_gathered_that_costs_too_much),
        POD_FOR_BOTH_FORMATS(a_slot_in_order_is_left_to_a_merge),
        POD_FOR_BOTH_FORMATS(a_slot_that_is_not_all_promised_is_left_alone),
        POD_FOR_BOTH_FORMATS(what_is_astray_within_its_own_block_costs_too),
        POD_FOR_BOTH_FORMATS(less_is_worth_it_while_the_balloon_owes),
        POD_FOR_BOTH_FORMATS(it_must_be_found_twice),
        POD_FOR_BOTH_FORMATS(nothing_is_gathered_where_1_gb_is_not_populated),
        POD_FOR_BOTH_FORMATS(a_slot_of_two_types_is_not_completed),
        POD_FOR_BOTH_FORMATS(no_slot_is_completed_while_the_balloon_owes),
        POD_FOR_BOTH_FORMATS(nothing_is_gathered_where_no_mark_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
