/* SPDX-License-Identifier: MIT */
/*
 * Every published bug of another hypervisor's populate-on-demand that could be ours, a test each:
 * by the number of its security advisory (xsa), or the commit that mended it. What it was is said
 * above the test. Those of accounts and failures are in pod_bugs_account.c; all of them, and those
 * for which there is no mechanism here, are in docs/published-bugs.md.
 */
#include "pod_fixture.h"

#include <string.h>

#include "choices.h"

#define RAM  MFN(0x40000)
#define HERE GFN(0x40000)

static const unsigned orders[] = { ORDER_4K, ORDER_2M, ORDER_1G };

/* ---- bounds --------------------------------------------------------------------------------- */

/* A sweep went through all of a guest's memory without a pause. The layout is the worst there is:
 * each frame an entry of its own, and hardly one that is zeroes. */
static void xsa_150_each_call_of_a_sweep_is_bounded(void **state)
{
    struct pod_sweep_kind kind = { ORDER_4K, POD_LEAVES };
    struct gfn_range many = { GFN(0), GFN(3 * POD_SWEEP_LOOKS) };
    struct fixture *f = *state;
    struct pod_sweep sweep;
    unsigned calls = 0;

    must(set_range(f, many, mfn_add(RAM, 1), P2M_RAM_RW));
    for (uint64_t i = 0; i < many.end.gfn; i++) {
        guest_write(f, GFN(i), 0);
        *memory_word(mfn_add(RAM, 1 + i)) = i % 1024 != 1023;
    }
    for (enum p2m_error error = P2M_OK; error != P2M_EMPTY; calls++) {
        gfn_t from = f->pod.cursor[POD_LEAVES][0].gfn;
        uint64_t read = pod_events(&f->pod).bytes_read, moved;

        error = pod_sweep_protect(f->locked, &f->pod, kind, &sweep, &f->debt);
        moved = f->pod.cursor[POD_LEAVES][0].gfn.gfn - from.gfn;
        assert_true(moved <= POD_SWEEP_LOOKS || moved > f->config.end.gfn / 2);
        assert_in_range(pod_events(&f->pod).bytes_read - read, 0, POD_SWEEP_LOOKS * 256);
        pod_settle(f);
        if (error == P2M_OK) {
            sweep_scan(f, &sweep);
            assert_in_range(sweep_finish(f, &sweep), 1, POD_SWEEP_MAX);
            pod_settle(f);
        }
        assert_in_range(calls, 0, 3 * POD_SWEEP_LOOKS / 1024 + 16);
    }
    assert_int_equal(pod_account(&f->pod).cached, 3 * POD_SWEEP_LOOKS / 1024);
}

/* High-order operations went on without a pause. In several calls it comes to the same. */
static void xsa_158_each_call_that_moves_a_target_is_bounded(void **state)
{
    struct fixture *f = *state;
    uint64_t target = 3 * POD_TARGET_STEPS + 7;
    unsigned calls = 0;

    must(mark(f, GFN(0), FRAMES_1G));
    memory_give_frames(ORDER_4K, 10000);
    for (enum p2m_error error = P2M_AGAIN; error == P2M_AGAIN; calls++) {
        uint64_t before = pod_account(&f->pod).cached;

        error = pod_set_cache_target(f->locked, &f->pod, target);
        assert_in_range(pod_account(&f->pod).cached - before, 1, POD_TARGET_STEPS);
    }
    assert_int_equal(calls, 4);
    expect_account(f, FRAMES_1G, target, 0);
}

/* The order of an extent was not bounded; sums overflowed. */
static void xsa_31_231_ranges_and_targets_do_not_overflow(void **state)
{
    static const uint64_t ends[] = { UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 52,
                                     (uint64_t)1 << 36 };
    struct fixture *f = *state;

    must(mark(f, GFN(0), 64));
    memory_give_frames(ORDER_4K, 100);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        POD_REFUSED(f, P2M_BAD_RANGE, mark(f, GFN(512), ends[i] - 512));
        POD_REFUSED(f, P2M_BAD_RANGE, decrease(f, GFN(512), ends[i] - 512));
        POD_REFUSED(f, P2M_BAD_RANGE, mark(f, GFN(ends[i] - 1), 1));
        POD_REFUSED(f, P2M_BAD_RANGE, decrease(f, GFN(ends[i] - 1), 1));
        must(set_target(f, ends[i]));
        expect_account(f, 64, 64, 0);
    }
}

/* ---- what a guest may read ------------------------------------------------------------------ */

/* Pages went from one guest to the next with what they held. */
static void xsa_100_what_was_written_is_never_read_elsewhere(void **state)
{
    gfn_t theirs = GFN(2 * FRAMES_1G);
    struct fixture *f = *state;

    for (unsigned order = ORDER_4K; order <= ORDER_1G; order += ORDER_STEP) {
        pod_restart(f, order);
        must(mark(f, GFN(0), 2 * FRAMES_1G));
        map(f, theirs, RAM, ORDER_2M);
        for (uint64_t i = 0; i < FRAMES_2M; i++)
            guest_write_at(f, gfn_add(theirs, i), (unsigned)i, 0x5ec7e7);
        must(decrease(f, theirs, FRAMES_2M));
        for (uint64_t i = 0; i < FRAMES_2M; i += 37)
            assert_int_equal(guest_read(f, GFN(i)), 0);
        expect_account(f, 2 * FRAMES_1G - pod_account(&f->pod).populated,
                       FRAMES_2M - pod_account(&f->pod).populated, pod_account(&f->pod).populated);
        for (uint64_t i = 0; i < FRAMES_2M; i++)
            if (get(f, GFN(i)).type == P2M_RAM_RW)
                assert_true(memory_is_zero(get(f, GFN(i)).mfn, 1));
    }
}

/* The host is told which of the frames that it gets back were written. */
static void xsa_100_what_goes_to_the_host_says_whether_it_was_written(void **state)
{
    struct fixture *f = *state;

    map(f, GFN(0), RAM, ORDER_2M);
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_2M);
    guest_write(f, GFN(5), 1);
    must(decrease(f, GFN(0), FRAMES_2M));
    assert_true(memory_returned().last.dirty);
    must(decrease(f, GFN(512), FRAMES_2M));
    assert_false(memory_returned().last.dirty);
}

/* One dirty frame among 512 that grew together, one among 512 blocks. */
static void xsa_100_a_block_is_as_dirty_as_its_worst_piece(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_2M));
    for (uint64_t i = 0; i < FRAMES_2M; i++)
        hand(f, mfn_add(RAM, i), ORDER_4K, i == 300 ? POD_DIRTY : POD_CLEAN);
    *memory_word(mfn_add(RAM, 300)) = 0x5ec7e7;
    expect_in_hand(f, 0, 1, 0);
    must(touch(f, GFN(0)));
    assert_true(memory_is_zero(RAM, FRAMES_2M));
}

/* ---- orders, gfns, types -------------------------------------------------------------------- */

#define PLAIN_FRAMES ((uint64_t)2 << ORDER_1G)

/* Misaligned gfns with any order. A byte a frame knows better. */
static void xsa_388_any_gfn_goes_with_any_order(void **state)
{
    static uint8_t is_marked[PLAIN_FRAMES];
    struct choices choices = { .seed = 388 };
    struct fixture *f = *state;

    memset(is_marked, 0, sizeof(is_marked));
    for (unsigned i = 0; i < 400; i++) {
        uint64_t frames = (uint64_t)1 << choose(&choices, 19), sum = 0;
        uint64_t gfn = choose(&choices, PLAIN_FRAMES - frames + 1);
        bool marks = choose_once_in(&choices, 2);

        if (choose_once_in(&choices, 3))
            gfn = frame_align_down(gfn, ORDER_2M);
        must(marks ? mark(f, GFN(gfn), frames) : decrease(f, GFN(gfn), frames));
        memset(is_marked + gfn, marks, frames);
        for (uint64_t frame = 0; frame < PLAIN_FRAMES; frame++)
            sum += is_marked[frame];
        expect_account(f, sum, 0, 0);
        assert_int_equal(get(f, GFN(gfn)).type, marks ? P2M_POD : P2M_INVALID);
        assert_int_equal(get(f, GFN(gfn + frames - 1)).type, marks ? P2M_POD : P2M_INVALID);
    }
}

/* A page of the host's between frames that the guest gave back went into the cache. */
static void xsa_507_a_page_of_the_hosts_in_the_range_stays_where_it_is(void **state)
{
    struct fixture *f = *state;
    mfn_t shared = mfn_add(RAM, FRAMES_1G);

    must(mark(f, GFN(0), FRAMES_1G));
    map(f, HERE, RAM, ORDER_2M);
    must(decrease(f, gfn_add(HERE, 100), 1));
    must(set(f, gfn_add(HERE, 100), shared, ORDER_4K, P2M_SPECIAL));
    POD_REFUSED(f, P2M_BAD_TYPE, decrease(f, HERE, FRAMES_2M));
    POD_REFUSED(f, P2M_BAD_TYPE, decrease(f, gfn_add(HERE, 100), 1));
    must(decrease(f, HERE, 100));
    must(decrease(f, gfn_add(HERE, 101), FRAMES_2M - 101));
    expect_entry(f, gfn_add(HERE, 100), shared, ORDER_4K, P2M_SPECIAL);
    expect_account(f, FRAMES_1G, FRAMES_2M, 0);
    must(set(f, gfn_add(HERE, 100), INVALID_MFN, ORDER_4K, P2M_INVALID));
    pod_settle(f);
    expect_account(f, FRAMES_1G, FRAMES_2M, 0);
}

/* The frame "none" plus an index spilled into the type: marks became something else. */
static void commit_83520cb4aa_pieces_of_a_mark_are_marks_without_an_address(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    must(p2m_split(f->locked, GFN(0x12345), ORDER_4K));
    for (uint64_t i = 0; i < 512; i++) {
        gfn_t region = GFN(i * FRAMES_2M), frame = GFN(0x12200 + i);

        expect_entry(f, region, INVALID_MFN, region.gfn == 0x12200 ? ORDER_4K : ORDER_2M, P2M_POD);
        expect_entry(f, frame, INVALID_MFN, ORDER_4K, P2M_POD);
    }
    expect_account(f, FRAMES_1G, 0, 0);
}

/* A mark of 1 GB ran into an assert. */
static void commit_98bd89a619_a_mark_of_1gb_is_populated_and_used(void **state)
{
    struct fixture *f = *state;

    must(mark(f, HERE, FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_CLEAN);
    guest_write(f, gfn_add(HERE, 0x3ffff), 42);
    expect_entry(f, HERE, RAM, ORDER_1G, P2M_RAM_RW);
    assert_int_equal(*memory_word(mfn_add(RAM, 0x3ffff)), 42);
}

/* A table page was free before processors had been told to forget it. */
static void xsa_480_no_table_page_is_free_before_the_flush(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { HERE, gfn_add(HERE, FRAMES_1G) };
    uint64_t tables;

    map(f, HERE, RAM, ORDER_1G);
    must(p2m_split(f->locked, HERE, ORDER_4K));
    guest_write(f, HERE, 42);
    tables = memory_tables_in_use();
    must(pod_decrease(f->locked, &f->pod, &range, &f->debt));
    assert_int_equal(memory_tables_in_use(), tables);
    assert_int_equal(processor_access(&f->processor, gfn_add(HERE, 7), ACCESS_READ).answer,
                     ANSWER_WALKED); /* through the dead table, which still is one */
    pod_settle(f);
    assert_int_equal(memory_tables_in_use(), tables - 2);
    assert_int_equal(processor_access(&f->processor, HERE, ACCESS_READ).answer, ANSWER_NOT_PRESENT);
}

/* A change of type where no frame is made a live entry of nothing. */
static void xsa_92_a_mark_becomes_no_leaf_without_a_frame(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RW, P2M_RAM_RO, P2M_MMIO, P2M_SPECIAL };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (unsigned size = 0; size < ORDER_SIZES; size++) {
            must(mark(f, GFN(0), FRAMES_1G));
            POD_REFUSED(f, P2M_BAD_RANGE, set(f, GFN(0), INVALID_MFN, orders[size], types[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(xsa_150_each_call_of_a_sweep_is_bounded),
        POD_FOR_BOTH_FORMATS(xsa_158_each_call_that_moves_a_target_is_bounded),
        POD_FOR_BOTH_FORMATS(xsa_31_231_ranges_and_targets_do_not_overflow),
        POD_FOR_BOTH_FORMATS(xsa_100_what_was_written_is_never_read_elsewhere),
        POD_FOR_BOTH_FORMATS(xsa_100_what_goes_to_the_host_says_whether_it_was_written),
        POD_FOR_BOTH_FORMATS(xsa_100_a_block_is_as_dirty_as_its_worst_piece),
        POD_FOR_BOTH_FORMATS(xsa_388_any_gfn_goes_with_any_order),
        POD_FOR_BOTH_FORMATS(xsa_507_a_page_of_the_hosts_in_the_range_stays_where_it_is),
        POD_FOR_BOTH_FORMATS(commit_83520cb4aa_pieces_of_a_mark_are_marks_without_an_address),
        POD_FOR_BOTH_FORMATS(commit_98bd89a619_a_mark_of_1gb_is_populated_and_used),
        POD_FOR_BOTH_FORMATS(xsa_480_no_table_page_is_free_before_the_flush),
        POD_FOR_BOTH_FORMATS(xsa_92_a_mark_becomes_no_leaf_without_a_frame),
    };

    return cmocka_run_group_tests_name("pod_bugs", tests, NULL, NULL);
}
