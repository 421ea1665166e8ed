/* SPDX-License-Identifier: MIT */
/*
 * p2m/reclaim.c, what a sweep takes, what it leaves, and what it reads for that. How it goes round
 * is reclaim_tour.c's, and what happens to a leaf between its steps reclaim_race.c's.
 */
#include "pod_fixture.h"

#define RAM         MFN(0x40000)
#define HERE        GFN(0x40000)
#define FRAME_WORDS (FRAME_SIZE / (unsigned)sizeof(uint64_t))

static uint64_t bytes_read(const struct fixture *f)
{
    return pod_events(&f->pod).bytes_read;
}

/* ---- what is taken -------------------------------------------------------------------------- */

static void untouched_leaves_are_taken_without_a_byte_being_read(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        uint64_t frames = order_frames(sweep_leaves[size].order);

        pod_restart(f, ORDER_1G);
        map(f, HERE, RAM, sweep_leaves[size].order);
        assert_int_equal(guest_read(f, HERE), 0);
        assert_int_equal(sweep_once(f, sweep_leaves[size]), frames);
        expect_entry(f, HERE, INVALID_MFN, sweep_leaves[size].order, P2M_POD);
        expect_account(f, frames, frames, 0);
        expect_clean_in_hand(f, frames);
        assert_int_equal(bytes_read(f), 0);
        assert_int_equal(pod_events(&f->pod).reclaimed[size], 1);
        assert_int_equal(pod_events(&f->pod).sweeps[size], 1);
    }
}

static void zeroes_that_were_written_are_read_once_and_taken_clean(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        uint64_t frames = order_frames(sweep_leaves[size].order), before;
        struct pod_sweep sweep;

        pod_restart(f, ORDER_1G);
        map(f, HERE, RAM, sweep_leaves[size].order);
        guest_write(f, HERE, 0);
        must(sweep_begin(f, sweep_leaves[size], &sweep));
        pod_settle(f);
        before = bytes_read(f);
        assert_in_range(before, 1, FRAME_SIZE); /* a glance, before it was held */
        sweep_scan(f, &sweep);
        assert_int_equal(bytes_read(f) - before, frames << FRAME_SHIFT);
        assert_int_equal(sweep_finish(f, &sweep), frames);
        pod_settle(f);
        expect_account(f, frames, frames, 0);
        expect_clean_in_hand(f, frames);
    }
}

static void what_was_taken_reads_as_zero_when_it_is_populated_again(void **state)
{
    struct fixture *f = *state;

    map(f, HERE, RAM, ORDER_2M);
    guest_write(f, HERE, 0);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), FRAMES_2M);
    assert_int_equal(guest_read(f, gfn_add(HERE, 77)), 0);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_RW);
    expect_account(f, 0, 0, FRAMES_2M);
}

/* ---- what stays ----------------------------------------------------------------------------- */

/* Read up to the line with the word, at any place; the leaf is the guest's as it was. */
static void one_word_that_is_not_zero_keeps_the_leaf(void **state)
{
    static const struct {
        unsigned size;
        uint64_t frame;
        unsigned index;
    } places[] = { { 0, 0, 1 }, { 0, 0, 8 },     { 0, 0, 255 },   { 0, 0, 511 }, { 1, 0, 511 },
                   { 1, 1, 7 }, { 1, 300, 500 }, { 1, 511, 511 }, { 2, 0, 9 },   { 2, 513, 10 } };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint64_t word = places[i].frame * FRAME_WORDS + places[i].index, before;
        unsigned size = places[i].size;
        struct pod_sweep sweep;

        pod_restart(f, ORDER_1G);
        map(f, HERE, RAM, sweep_leaves[size].order);
        guest_write_at(f, gfn_add(HERE, places[i].frame), places[i].index, (uint64_t)1 << i);
        must(sweep_begin(f, sweep_leaves[size], &sweep));
        expect_entry(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_HELD);
        pod_settle(f);
        before = bytes_read(f);
        sweep_scan(f, &sweep);
        assert_int_equal(bytes_read(f) - before, (word / 8 + 1) * 64);
        assert_int_equal(sweep_finish(f, &sweep), 0);
        expect_entry(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_RW);
        assert_true(get(f, HERE).dirty);
        assert_int_equal(pod_events(&f->pod).reclaimed[size], 0);
    }
}

static void what_shows_at_a_glance_is_not_held(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        gfn_t gfn = GFN(size * FRAMES_1G);

        map(f, gfn, mfn_add(RAM, gfn.gfn), sweep_leaves[size].order);
        guest_write(f, gfn, 1);
        assert_int_equal(sweep_once(f, sweep_leaves[size]), 0);
        assert_int_equal(pod_events(&f->pod).sweeps[size], 0);
        expect_entry(f, gfn, mfn_add(RAM, gfn.gfn), sweep_leaves[size].order, P2M_RAM_RW);
    }
}

static void leaves_of_another_size_stay(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        pod_restart(f, ORDER_1G);
        for (unsigned i = 0; i < ORDER_SIZES; i++)
            map(f, GFN(i * FRAMES_1G), mfn_add(RAM, i * FRAMES_1G), sweep_leaves[i].order);
        assert_int_equal(sweep_once(f, sweep_leaves[size]), order_frames(sweep_leaves[size].order));
        assert_int_equal(sweep_once(f, sweep_leaves[size]), 0);
        for (unsigned i = 0; i < ORDER_SIZES; i++)
            assert_int_equal(get(f, GFN(i * FRAMES_1G)).type, i == size ? P2M_POD : P2M_RAM_RW);
    }
}

static void nothing_but_plain_memory_is_swept(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RO, P2M_MMIO,   P2M_SPECIAL,
                                           P2M_POD,    P2M_BROKEN, P2M_RAM_COPIED };
    struct fixture *f = *state;

    f->pod.is_moving = true; /* so that one may be held */
    f->p2m.holds = 1;
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        must(set(f, gfn_add(HERE, i), mfn_add(RAM, i), ORDER_4K, types[i]));
    for (unsigned i = 0; i < POD_SWEEP_KINDS; i++)
        assert_int_equal(sweep_once(f, pod_sweep_kinds[i]), 0);
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_int_equal(get(f, gfn_add(HERE, i)).type, types[i]);
    must(set(f, gfn_add(HERE, 5), RAM, ORDER_4K, P2M_INVALID));
    f->pod.is_moving = false;
    f->p2m.holds = 0;
}

static void pinned_frames_stay(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        pod_restart(f, ORDER_1G);
        map(f, HERE, RAM, sweep_leaves[size].order);
        must(p2m_pin(f->locked, HERE));
        assert_int_equal(sweep_once(f, sweep_leaves[size]), 0);
        expect_entry(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_RW);
        p2m_unpin(f->locked, HERE);
        assert_int_equal(sweep_once(f, sweep_leaves[size]), order_frames(sweep_leaves[size].order));
    }
}

/* The instruction that touched it may not have run yet. */
static void what_was_just_populated_stays(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_2M));
    for (uint64_t i = 0; i <= POD_RECENT; i++) {
        hand(f, mfn_add(RAM, 2 * i), ORDER_4K, POD_CLEAN);
        must(touch(f, GFN(i)));
        assert_int_equal(sweep_once(f, sweep_leaves[0]), i == POD_RECENT);
    }
    assert_int_equal(get(f, GFN(0)).type, P2M_POD);
}

/* ---- pieces of larger leaves ---------------------------------------------------------------- */

static void zero_pieces_of_a_larger_leaf_are_taken_and_no_others(void **state)
{
    struct fixture *f = *state;

    map(f, HERE, RAM, ORDER_1G);
    for (uint64_t i = 0; i < 512; i++)
        if (i % 100 != 50)
            guest_write(f, gfn_add(HERE, i * FRAMES_2M), 1);
    assert_int_equal(sweep_once(f, sweep_pieces[1]), 5 * FRAMES_2M);
    expect_account(f, 5 * FRAMES_2M, 5 * FRAMES_2M, FRAMES_1G - 5 * FRAMES_2M);
    expect_clean_in_hand(f, 5 * FRAMES_2M);
    for (uint64_t i = 0; i < 512; i++)
        assert_int_equal(get(f, gfn_add(HERE, i * FRAMES_2M)).type,
                         i % 100 == 50 ? P2M_POD : P2M_RAM_RW);
    assert_int_equal(pod_events(&f->pod).reclaimed[1], 5);
}

static void frames_are_found_in_leaves_of_both_sizes(void **state)
{
    static const unsigned orders[] = { ORDER_2M, ORDER_1G };
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        pod_restart(f, ORDER_1G);
        map(f, HERE, RAM, orders[i]);
        for (uint64_t frame = 0; frame < 64; frame++)
            if (frame % 20 != 7)
                guest_write(f, gfn_add(HERE, frame), 1);
        assert_int_equal(sweep_once(f, sweep_pieces[0]), POD_SWEEP_MAX);
        for (uint64_t frame = 0; frame < 64; frame++)
            assert_int_equal(get(f, gfn_add(HERE, frame)).type,
                             frame % 20 == 7 ? P2M_POD : P2M_RAM_RW);
        expect_account(f, 16, 16, order_frames(orders[i]) - 16);
    }
}

static void pieces_of_an_untouched_leaf_are_taken_without_a_byte_being_read(void **state)
{
    struct fixture *f = *state;

    map(f, HERE, RAM, ORDER_1G);
    assert_int_equal(sweep_once(f, sweep_pieces[1]), POD_SWEEP_MAX * FRAMES_2M);
    assert_int_equal(bytes_read(f), 0);
}

/* What was split for a look is put together again. */
static void a_leaf_of_which_no_piece_was_taken_can_be_one_again(void **state)
{
    struct fixture *f = *state;

    map(f, HERE, RAM, ORDER_2M);
    for (unsigned frame = 0; frame < FRAMES_2M; frame++)
        guest_write_at(f, gfn_add(HERE, frame), frame == 9 ? 5 : 0, 1);
    assert_int_equal(sweep_once(f, sweep_pieces[0]), 0);
    expect_entry(f, HERE, RAM, ORDER_4K, P2M_RAM_RW);
    assert_int_equal(p2m_merge_candidates(f->locked, &f->debt), 1);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_RW);
}

/* What costs nothing, then what costs no split, then what is left; large before small. */
static void a_dry_cache_tries_whole_leaves_before_pieces_and_large_before_small(void **state)
{
    (void)state;
    assert_int_equal(pod_sweep_kinds[0].depth, POD_UNWRITTEN);
    assert_int_equal(pod_sweep_kinds[1].depth, POD_UNWRITTEN);
    assert_int_equal(pod_sweep_kinds[1].order, ORDER_4K);
    for (unsigned i = 3; i < POD_SWEEP_KINDS; i++) {
        const struct pod_sweep_kind *kind = &pod_sweep_kinds[i], *before = kind - 1;

        assert_true(kind->depth >= before->depth);
        assert_true(kind->depth > before->depth || kind->order < before->order);
    }
}

static void a_sweep_for_unwritten_leaves_reads_none_and_takes_no_others(void **state)
{
    struct pod_sweep_kind unwritten = { ORDER_2M, POD_UNWRITTEN };
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 10; i++)
        map(f, GFN(i * FRAMES_2M), mfn_add(RAM, i * FRAMES_2M), ORDER_2M);
    for (uint64_t i = 0; i < 10; i += 2)
        guest_write(f, GFN(i * FRAMES_2M), 0);
    map(f, HERE, mfn_add(RAM, FRAMES_1G), ORDER_4K);
    must(mark(f, GFN(2 * FRAMES_1G), FRAMES_2M));
    hand(f, mfn_add(RAM, 2 * FRAMES_1G), ORDER_2M, POD_CLEAN);
    assert_int_equal(sweep_once(f, unwritten), 0); /* no superpage was populated: no tour */
    must(touch(f, GFN(2 * FRAMES_1G)));
    assert_int_equal(sweep_once(f, unwritten), 5 * FRAMES_2M);
    assert_int_equal(sweep_once(f, unwritten), 0);
    assert_int_equal(bytes_read(f), 0);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(get(f, GFN(i * FRAMES_2M)).type, i % 2 ? P2M_POD : P2M_RAM_RW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(untouched_leaves_are_taken_without_a_byte_being_read),
        POD_FOR_BOTH_FORMATS(zeroes_that_were_written_are_read_once_and_taken_clean),
        POD_FOR_BOTH_FORMATS(what_was_taken_reads_as_zero_when_it_is_populated_again),
        POD_FOR_BOTH_FORMATS(one_word_that_is_not_zero_keeps_the_leaf),
        POD_FOR_BOTH_FORMATS(what_shows_at_a_glance_is_not_held),
        POD_FOR_BOTH_FORMATS(leaves_of_another_size_stay),
        POD_FOR_BOTH_FORMATS(nothing_but_plain_memory_is_swept),
        POD_FOR_BOTH_FORMATS(pinned_frames_stay),
        POD_FOR_BOTH_FORMATS(what_was_just_populated_stays),
        POD_FOR_BOTH_FORMATS(zero_pieces_of_a_larger_leaf_are_taken_and_no_others),
        POD_FOR_BOTH_FORMATS(frames_are_found_in_leaves_of_both_sizes),
        POD_FOR_BOTH_FORMATS(pieces_of_an_untouched_leaf_are_taken_without_a_byte_being_read),
        POD_FOR_BOTH_FORMATS(a_leaf_of_which_no_piece_was_taken_can_be_one_again),
        POD_FOR_BOTH_FORMATS(a_dry_cache_tries_whole_leaves_before_pieces_and_large_before_small),
        POD_FOR_BOTH_FORMATS(a_sweep_for_unwritten_leaves_reads_none_and_takes_no_others),
    };

    memory_expect_reading();
    return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
