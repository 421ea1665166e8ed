/* SPDX-License-Identifier: MIT */
/*
 * p2m/reclaim.c, what may happen to a leaf between the steps of its sweep. The guest's accesses go
 * through the model processor, which keeps translations of the past until it is told to forget: a
 * write that comes late, by whatever way, is found where it was written, and never in hand.
 */
#include "pod_fixture.h"

#define RAM  MFN(0x40000)
#define HERE GFN(0x40000)

/* Where in a sweep something happens: before the step of that name. */
enum moment { PROTECT, SETTLE, SCAN, FINISH, PAY, LATER, MOMENTS };

/* What happens, and to which leaf. */
struct event {
    void (*happen)(struct fixture *fixture);
    enum moment moment;
};

static void pass(struct fixture *f, const struct event *event, enum moment moment)
{
    if (event->moment == moment)
        event->happen(f);
    if (moment != PAY) /* between taking and paying, frames are nobody's */
        expect_pod_sound(f);
}

/* One sweep, with an event in it; the frames that were taken. */
static uint64_t sweep_with(struct fixture *f, unsigned size, const struct event *event)
{
    struct pod_sweep sweep;
    uint64_t taken = 0;
    enum p2m_error error;

    pass(f, event, PROTECT);
    error = sweep_begin(f, sweep_leaves[size], &sweep);
    pass(f, event, SETTLE);
    pod_settle(f);
    pass(f, event, SCAN);
    if (error == P2M_OK)
        sweep_scan(f, &sweep);
    pass(f, event, FINISH);
    if (error == P2M_OK)
        taken = sweep_finish(f, &sweep);
    pass(f, event, PAY);
    pod_settle(f);
    pass(f, event, LATER);
    return taken;
}

/* Nothing in hand that is said to be clean holds anything, and no frame is in hand and mapped. */
static void expect_no_leak(struct fixture *f)
{
    uint64_t mapped = pod_account(&f->pod).populated;
    struct pod_block block;

    for (unsigned order = ORDER_1G + ORDER_STEP; order > 0;) {
        struct pod_place anywhere = { GFN(0), INVALID_MFN };

        order -= ORDER_STEP;
        for (;;) {
            block = pod_cache_get(f->locked, &f->pod, order, anywhere);
            if (!mfn_is_valid(block.mfn))
                break;
            assert_true(block.clean == POD_DIRTY ||
                        (*memory_word(block.mfn) == 0 &&
                         *memory_word(mfn_add(block.mfn, order_frames(order) - 1)) == 0));
            assert_true(mapped == 0 || get(f, HERE).mfn.mfn != block.mfn.mfn);
        }
    }
}

/* ---- the guest writes ----------------------------------------------------------------------- */

static void write_last(struct fixture *f)
{
    struct p2m_entry entry = get(f, HERE);

    guest_write(f, gfn_add(HERE, order_frames(entry.order) - 1), 42);
}

/* After the frames are taken and before they are in hand, the guest has to wait. */
static void expect_write_to_wait(struct fixture *f)
{
    gfn_t last = gfn_add(HERE, order_frames(get(f, HERE).order) - 1);

    assert_int_equal(processor_store(&f->processor, last, 0, 42).answer, ANSWER_NOT_PRESENT);
    assert_int_equal(touch(f, last), P2M_BUSY); /* it is not settled yet */
}

/* What the guest did before, and so what its processor knows of the leaf. */
static void never_touched(struct fixture *f)
{
    (void)f;
}

static void has_read(struct fixture *f)
{
    assert_int_equal(guest_read(f, gfn_add(HERE, order_frames(get(f, HERE).order) - 1)), 0);
}

static void has_written_zero(struct fixture *f)
{
    guest_write(f, gfn_add(HERE, order_frames(get(f, HERE).order) - 1), 0);
}

static void write_at(struct fixture *f, unsigned size, enum moment moment)
{
    static void (*const pasts[])(struct fixture *) = { never_touched, has_read, has_written_zero };
    struct event event = { moment == PAY ? expect_write_to_wait : write_last, moment };
    uint64_t frames = order_frames(sweep_leaves[size].order);

    for (unsigned past = 0; past < 3; past++) {
        uint64_t taken;

        if (size == 2 && past == 2 && moment != SETTLE)
            continue; /* reading a whole GB once is enough */
        pod_restart(f, ORDER_1G);
        must(set(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_RW));
        pasts[past](f);
        taken = sweep_with(f, size, &event);
        assert_int_equal(taken, moment < PAY ? 0 : frames);
        if (moment == PAY)
            write_last(f);
        assert_int_equal(guest_read(f, gfn_add(HERE, frames - 1)), 42);
        assert_true(get(f, HERE).dirty);
        expect_account(f, 0, 0, frames);
        expect_no_leak(f);
    }
}

static void a_write_before_a_sweep_survives(void **state)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        write_at(*state, size, PROTECT);
}

static void a_write_before_the_flush_survives(void **state)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        write_at(*state, size, SETTLE);
}

static void a_write_before_the_scan_survives(void **state)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        write_at(*state, size, SCAN);
}

static void a_write_after_the_scan_survives(void **state)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        write_at(*state, size, FINISH);
}

static void a_write_to_what_was_taken_waits_until_it_is_paid(void **state)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        write_at(*state, size, PAY);
}

static void a_write_after_a_sweep_finds_fresh_zeroes(void **state)
{
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        write_at(*state, size, LATER);
}

/* Why there is a flush before the scan: this write faults nowhere. */
static void a_write_through_a_translation_of_the_past_is_read_by_the_scan(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
    guest_write(f, HERE, 0);
    must(sweep_begin(f, sweep_leaves[1], &sweep));
    assert_int_equal(processor_store(&f->processor, gfn_add(HERE, 3), 7, 1).answer, ANSWER_CACHED);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_HELD);
    pod_settle(f);
    assert_int_equal(processor_store(&f->processor, gfn_add(HERE, 3), 8, 1).answer,
                     ANSWER_NOT_ALLOWED);
    sweep_scan(f, &sweep);
    assert_int_equal(sweep_finish(f, &sweep), 0);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_RW);
}

/* The processor still walks a table that a merge took out, and notes its write there: the leaf that
 * is live says that it was never written. */
static void a_write_that_only_a_dead_table_knows_of_survives(void **state)
{
    struct fixture *f = *state;

    for (unsigned late = 0; late < 2; late++) {
        struct p2m_debt merged = P2M_NO_DEBT;
        struct pod_sweep sweep;

        pod_restart(f, ORDER_1G);
        must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
        must(p2m_split(f->locked, HERE, ORDER_4K));
        assert_int_equal(guest_read(f, HERE), 0);
        must(p2m_merge(f->locked, HERE, ORDER_2M, &merged));
        if (!late)
            guest_write(f, gfn_add(HERE, 9), 42);
        assert_false(get(f, HERE).dirty);
        must(sweep_begin(f, sweep_leaves[1], &sweep));
        if (late)
            assert_int_equal(processor_store(&f->processor, gfn_add(HERE, 9), 0, 42).answer,
                             ANSWER_WALKED);
        pod_settle(f);
        if (late)
            pay_to_the_end(f->locked, &merged);
        sweep_scan(f, &sweep);
        assert_int_equal(sweep_finish(f, &sweep), 0);
        pod_settle(f);
        pay_to_the_end(f->locked, &merged);
        assert_int_equal(guest_read(f, gfn_add(HERE, 9)), 42);
        assert_true(get(f, HERE).dirty);
    }
}

/* As when a processor sets D while the leaf is being held: it was known to be zero, and is not. */
static void a_d_bit_that_comes_late_keeps_the_leaf(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 0; size < ORDER_SIZES; size++) {
        struct pod_sweep sweep;

        pod_restart(f, ORDER_1G);
        must(set(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_RW));
        must(sweep_begin(f, sweep_leaves[size], &sweep));
        assert_true(sweep.item[0].is_known);
        must(p2m_mark_dirty(f->locked, HERE));
        *memory_word(RAM) = 42;
        pod_settle(f);
        sweep_scan(f, &sweep);
        assert_int_equal(sweep_finish(f, &sweep), 0);
        assert_int_equal(guest_read(f, HERE), 42);
    }
}

static void reads_go_on_all_the_time(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
    guest_write_at(f, HERE, 5, 99);
    must(sweep_begin(f, sweep_leaves[1], &sweep));
    assert_int_equal(guest_read(f, HERE), 0);
    pod_settle(f);
    assert_int_equal(guest_read(f, HERE), 0);
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_HELD);
    sweep_scan(f, &sweep);
    assert_int_equal(sweep_finish(f, &sweep), 0);
}

/* ---- the host writes ------------------------------------------------------------------------ */

static void host_write(struct fixture *f)
{
    pod_release(f->locked, &f->pod, gfn_add(HERE, 3));
    *memory_word(mfn_add(get(f, HERE).mfn, 3)) = 42;
    must(p2m_mark_dirty(f->locked, gfn_add(HERE, 3)));
}

static void a_write_of_the_hosts_survives(void **state)
{
    struct fixture *f = *state;

    for (unsigned size = 1; size < ORDER_SIZES; size++) {
        for (enum moment moment = PROTECT; moment <= FINISH; moment++) {
            struct event event = { host_write, moment };

            pod_restart(f, ORDER_1G);
            must(set(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_RW));
            assert_int_equal(sweep_with(f, size, &event), 0);
            expect_entry(f, HERE, RAM, sweep_leaves[size].order, P2M_RAM_RW);
            assert_int_equal(guest_read(f, gfn_add(HERE, 3)), 42);
        }
    }
}

static void a_release_lets_the_guest_write_at_once(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
    must(sweep_begin(f, sweep_leaves[1], &sweep));
    pod_settle(f);
    pod_release(f->locked, &f->pod, gfn_add(HERE, 511));
    expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_RW);
    assert_int_equal(processor_store(&f->processor, HERE, 0, 1).answer, ANSWER_WALKED);
    assert_int_equal(sweep_finish(f, &sweep), 0);
}

static void a_release_of_what_is_not_held_changes_nothing(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RW,  P2M_RAM_RO, P2M_MMIO,
                                           P2M_SPECIAL, P2M_POD,    P2M_BROKEN };
    struct fixture *f = *state;
    struct snapshot before;

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        must(set(f, gfn_add(HERE, i), mfn_add(RAM, i), ORDER_4K, types[i]));
    before = snapshot_take(f);
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]) + 1; i++)
        pod_release(f->locked, &f->pod, gfn_add(HERE, i));
    pod_release(f->locked, &f->pod, GFN(f->config.end.gfn));
    pod_release(f->locked, &f->pod, GFN(UINT64_MAX));
    snapshot_expect_same(f, before);
}

/* ---- the map changes ------------------------------------------------------------------------ */

static void pin(struct fixture *f)
{
    must(p2m_pin(f->locked, gfn_add(HERE, 3)));
}

static void a_pin_keeps_the_leaf_and_its_rights(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = PROTECT; moment <= FINISH; moment++) {
        struct event event = { pin, moment };

        pod_restart(f, ORDER_1G);
        must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
        assert_int_equal(sweep_with(f, 1, &event), 0);
        expect_entry(f, HERE, RAM, ORDER_2M, P2M_RAM_RW);
        p2m_unpin(f->locked, gfn_add(HERE, 3));
    }
}

static void balloon_all(struct fixture *f)
{
    must(decrease(f, HERE, FRAMES_2M));
}

/* It goes the way of all frames that are given back, and no second time. */
static void a_held_leaf_may_be_given_back(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = SETTLE; moment <= FINISH; moment++) {
        struct event event = { balloon_all, moment };

        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), FRAMES_1G));
        must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
        guest_write(f, HERE, 0);
        assert_int_equal(sweep_with(f, 1, &event), 0);
        assert_int_equal(get(f, HERE).type, P2M_INVALID);
        expect_account(f, FRAMES_1G, FRAMES_2M, 0);
        expect_clean_in_hand(f, 0); /* it was not proved to be zero */
        assert_int_equal(memory_returned().frames, FRAMES_2M);
    }
}

static void balloon_a_piece(struct fixture *f)
{
    must(decrease(f, gfn_add(HERE, 3), 1));
}

static void of_a_held_leaf_a_piece_may_be_given_back(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = SETTLE; moment <= FINISH; moment++) {
        struct event event = { balloon_a_piece, moment };

        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), FRAMES_1G));
        must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
        assert_int_equal(sweep_with(f, 1, &event), 0);
        for (uint64_t i = 0; i < FRAMES_2M; i++)
            assert_int_equal(get(f, gfn_add(HERE, i)).type, i == 3 ? P2M_INVALID : P2M_RAM_RW);
        expect_account(f, FRAMES_1G, 1, FRAMES_2M - 1);
    }
}

static void replace(struct fixture *f)
{
    must(decrease(f, HERE, FRAMES_2M));
    must(mark(f, HERE, FRAMES_2M));
    guest_write(f, HERE, 42);
}

static void a_held_leaf_may_be_another_before_the_end(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = SETTLE; moment <= FINISH; moment++) {
        struct event event = { replace, moment };

        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), FRAMES_1G));
        hand(f, mfn_add(RAM, FRAMES_1G), ORDER_2M, POD_CLEAN);
        must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
        assert_int_equal(sweep_with(f, 1, &event), 0);
        assert_int_equal(guest_read(f, HERE), 42);
        expect_account(f, FRAMES_1G, FRAMES_2M, FRAMES_2M);
        expect_no_leak(f);
    }
}

static void split(struct fixture *f)
{
    must(p2m_split(f->locked, HERE, ORDER_4K));
}

static void a_held_leaf_that_was_split_is_the_guests_whole(void **state)
{
    struct fixture *f = *state;

    for (enum moment moment = SETTLE; moment <= FINISH; moment++) {
        struct event event = { split, moment };

        pod_restart(f, ORDER_1G);
        must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
        assert_int_equal(sweep_with(f, 1, &event), 0);
        for (uint64_t i = 0; i < FRAMES_2M; i++)
            expect_entry(f, gfn_add(HERE, i), mfn_add(RAM, i), ORDER_4K, P2M_RAM_RW);
    }
}

/* A held leaf that somebody else makes a mark was not proved to be zero. */
static void a_held_leaf_that_others_mark_is_not_taken_for_clean(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    must(set(f, HERE, RAM, ORDER_2M, P2M_RAM_RW));
    guest_write_at(f, HERE, 5, 99);
    must(sweep_begin(f, sweep_leaves[1], &sweep));
    must(set(f, HERE, INVALID_MFN, ORDER_2M, P2M_POD));
    pod_settle(f);
    assert_int_equal(sweep_finish(f, &sweep), 0);
    expect_account(f, FRAMES_2M, FRAMES_2M, 0);
    expect_clean_in_hand(f, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_write_before_a_sweep_survives),
        POD_FOR_BOTH_FORMATS(a_write_before_the_flush_survives),
        POD_FOR_BOTH_FORMATS(a_write_before_the_scan_survives),
        POD_FOR_BOTH_FORMATS(a_write_after_the_scan_survives),
        POD_FOR_BOTH_FORMATS(a_write_to_what_was_taken_waits_until_it_is_paid),
        POD_FOR_BOTH_FORMATS(a_write_after_a_sweep_finds_fresh_zeroes),
        POD_FOR_BOTH_FORMATS(a_write_through_a_translation_of_the_past_is_read_by_the_scan),
        POD_FOR_BOTH_FORMATS(a_write_that_only_a_dead_table_knows_of_survives),
        POD_FOR_BOTH_FORMATS(a_d_bit_that_comes_late_keeps_the_leaf),
        POD_FOR_BOTH_FORMATS(reads_go_on_all_the_time),
        POD_FOR_BOTH_FORMATS(a_write_of_the_hosts_survives),
        POD_FOR_BOTH_FORMATS(a_release_lets_the_guest_write_at_once),
        POD_FOR_BOTH_FORMATS(a_release_of_what_is_not_held_changes_nothing),
        POD_FOR_BOTH_FORMATS(a_pin_keeps_the_leaf_and_its_rights),
        POD_FOR_BOTH_FORMATS(a_held_leaf_may_be_given_back),
        POD_FOR_BOTH_FORMATS(of_a_held_leaf_a_piece_may_be_given_back),
        POD_FOR_BOTH_FORMATS(a_held_leaf_may_be_another_before_the_end),
        POD_FOR_BOTH_FORMATS(a_held_leaf_that_was_split_is_the_guests_whole),
        POD_FOR_BOTH_FORMATS(a_held_leaf_that_others_mark_is_not_taken_for_clean),
    };

    memory_expect_reading();
    return cmocka_run_group_tests_name("reclaim_race", tests, NULL, NULL);
}
