/* SPDX-License-Identifier: MIT */
/*
 * p2m/log_dirty.c: what was written is said, once; what was not is not, as exactly as the grain and
 * the way allow; and superpages come back.
 */
#include "pod_fixture.h"

#include <string.h>

#include "p2m/log_dirty.h"

#define RAM  MFN(0x40000)
#define MORE MFN(0x80000)

/* 4 GB by 4K frames. */
static uint64_t bits[(4 << ORDER_1G) / 64];
static const struct p2m_dirty dirty = { { 0 }, bits };

static void start(struct fixture *f, enum p2m_log_mode mode, unsigned grain)
{
    must(p2m_log_dirty_start(f->locked, mode, grain, &f->debt));
    fixture_settle(f);
    expect_sound(f);
}

/* A write as a hypervisor lets it happen. */
static void write_to(struct fixture *f, gfn_t gfn)
{
    for (unsigned tries = 0; tries < 3; tries++) {
        if (processor_access(&f->processor, gfn, ACCESS_WRITE).answer <= ANSWER_WALKED)
            return;
        if (!p2m_recalculate(f->locked, gfn))
            assert_true(p2m_log_dirty_write(f->locked, gfn));
    }
    fail_msg("gfn %#lx can't be written to", gfn.gfn);
}

/* All of 4 GB; how many bits came. */
static uint64_t collect(struct fixture *f)
{
    struct gfn_range range = { GFN(0), GFN(4 * FRAMES_1G) };
    enum p2m_error error;
    uint64_t count = 0;

    memset(bits, 0, sizeof(bits));
    do {
        error = p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt);
        expect_sound(f);
    } while (error == P2M_AGAIN);
    must(error);
    assert_int_equal(range.from.gfn, range.end.gfn);
    fixture_settle(f);
    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        count += (uint64_t)__builtin_popcountll(bits[i]);
    return count;
}

static bool is_said(uint64_t bit)
{
    return bits[bit / 64] >> bit % 64 & 1;
}

static void stop_and_merge(struct fixture *f)
{
    must(p2m_log_dirty_stop(f->locked, &f->debt));
    while (p2m_has_candidates(&f->p2m)) {
        p2m_merge_candidates(f->locked, &f->debt);
        fixture_settle(f);
    }
    while (p2m_finish_type_change(f->locked, 1000) == P2M_AGAIN)
        ;
    while (p2m_has_candidates(&f->p2m)) {
        p2m_merge_candidates(f->locked, &f->debt);
        fixture_settle(f);
    }
    expect_sound(f);
}

/* ---- write protection ----------------------------------------------------------------------- */

static void what_is_written_is_said_once_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    write_to(f, GFN(9)); /* before: it is copied anyway */
    start(f, P2M_LOG_WRITES, ORDER_4K);
    assert_int_equal(collect(f), 0);
    write_to(f, GFN(7));
    write_to(f, GFN(513));
    assert_int_equal(processor_access(&f->processor, GFN(8), ACCESS_READ).answer, ANSWER_WALKED);
    assert_int_equal(collect(f), 2);
    assert_true(is_said(7) && is_said(513));
    assert_int_equal(collect(f), 0);
    write_to(f, GFN(7));
    assert_int_equal(collect(f), 1);
    assert_true(is_said(7));
    expect_entry(f, GFN(600), mfn_add(RAM, 600), ORDER_4K, P2M_RAM_LOGDIRTY);
    expect_entry(f, GFN(1024), mfn_add(RAM, 1024), ORDER_2M, P2M_RAM_LOGDIRTY);
    stop_and_merge(f);
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_1G, P2M_RAM_RW);
    assert_true(get(f, GFN(7)).dirty);
}

static void the_start_takes_no_table_and_no_leaf_apart(void **state)
{
    struct fixture *f = *state;
    struct p2m_counts before;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(FRAMES_1G), MORE, ORDER_2M, P2M_RAM_RW));
    before = p2m_counts(&f->p2m);
    start(f, P2M_LOG_WRITES, ORDER_4K);
    assert_int_equal(collect(f), 0);
    assert_true(p2m_is_changing(&f->p2m)); /* nor is it carried out to find that all is clean */
    stop_and_merge(f);
    assert_memory_equal(&before, &f->p2m.counts, sizeof(before));
    expect_entry(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW);
}

static void a_coarser_grain_keeps_2_mb(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(512), ORDER_4K)); /* finer than the grain already */
    start(f, P2M_LOG_WRITES, ORDER_2M);
    write_to(f, GFN(7));
    write_to(f, GFN(519));
    write_to(f, GFN(1023));
    assert_int_equal(get(f, GFN(7)).order, ORDER_2M);
    assert_int_equal(collect(f), 2);
    assert_true(is_said(0) && is_said(1));
    assert_int_equal(collect(f), 0);
    stop_and_merge(f);
}

static void without_a_page_for_tables_the_whole_leaf_is_dirty(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    start(f, P2M_LOG_WRITES, ORDER_4K);
    while (p2m_finish_type_change(f->locked, 1000) == P2M_AGAIN)
        ;
    memory_fail_allocation(1);
    assert_true(p2m_log_dirty_write(f->locked, GFN(7)));
    memory_fail_allocation(0);
    assert_int_equal(collect(f), 512);
    assert_int_equal(collect(f), 0);
    stop_and_merge(f);
}

/* ---- D bits --------------------------------------------------------------------------------- */

static void d_bits_say_it_a_size_finer_each_time(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    start(f, P2M_LOG_DIRTY_BITS, ORDER_4K);
    assert_int_equal(collect(f), 0);
    write_to(f, GFN(7));
    assert_int_equal(collect(f), FRAMES_1G);
    assert_true(get(f, GFN(7)).dirty); /* since it was mapped */
    write_to(f, GFN(7));
    assert_int_equal(collect(f), 512);
    write_to(f, GFN(7));
    assert_int_equal(collect(f), 1);
    assert_true(is_said(7));
    assert_int_equal(collect(f), 0);
    stop_and_merge(f);
    assert_int_equal(get(f, GFN(7)).order, ORDER_1G);
    assert_true(get(f, GFN(7)).dirty);
    assert_true(get(f, GFN(999)).dirty); /* it was one leaf once, that was written */
}

/* What was written before the log began must not be taken for untouched afterwards. */
static void that_it_was_written_is_not_forgotten(void **state)
{
    struct fixture *f = *state;

    map(f, GFN(0), RAM, ORDER_2M);
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_2M);
    write_to(f, GFN(7));
    memory_word(mfn_add(RAM, 7))[0] = 1;
    start(f, P2M_LOG_DIRTY_BITS, ORDER_2M);
    assert_int_equal(collect(f), 1);
    assert_true(is_said(0));
    must(p2m_log_dirty_stop(f->locked, &f->debt));
    assert_true(get(f, GFN(0)).dirty);
    assert_int_equal(sweep_once(f, sweep_leaves[1]), 512); /* the other one */
    assert_int_equal(get(f, GFN(0)).type, P2M_RAM_RW);
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    assert_true(f->debt.owed[0].frames.dirty);
    fixture_settle(f);
}

static void late_bits_of_a_merged_table_are_said_when_it_is_paid(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    processor_access(&f->processor, GFN(7), ACCESS_READ);
    must(p2m_merge(f->locked, GFN(0), ORDER_2M, &f->debt));
    must(p2m_log_dirty_start(f->locked, P2M_LOG_DIRTY_BITS, ORDER_2M, &f->debt));
    processor_access(&f->processor, GFN(7), ACCESS_WRITE); /* in the dead table */
    fixture_settle(f);
    assert_int_equal(collect(f), 1);
}

/* ---- both ----------------------------------------------------------------------------------- */

static const enum p2m_log_mode modes[] = { P2M_LOG_WRITES, P2M_LOG_DIRTY_BITS };

static void what_comes_meanwhile_is_dirty(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        must(mark(f, GFN(0), FRAMES_1G));
        hand(f, RAM, ORDER_2M, POD_CLEAN);
        start(f, modes[i], ORDER_4K);
        assert_int_equal(collect(f), 0);
        must(touch(f, GFN(700)));
        assert_int_equal(collect(f), 512);
        assert_true(is_said(512) && is_said(1023));
        assert_int_equal(collect(f), 0);
        stop_and_merge(f);
        must(decrease(f, GFN(0), FRAMES_1G));
        pod_settle(f);
    }
}

static void a_pinned_frame_is_always_dirty(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_pin(f->locked, GFN(77)));
    for (unsigned i = 0; i < 2; i++) {
        start(f, modes[i], ORDER_4K);
        for (unsigned round = 0; round < 3; round++) {
            assert_int_equal(collect(f), 1);
            assert_true(is_said(77));
        }
        stop_and_merge(f);
    }
    p2m_unpin(f->locked, GFN(77));
}

/* Nothing has been carried out yet: what waits reaches far beyond what is asked for. */
static void what_lies_beyond_the_range_is_not_said(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(64) };

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_pin(f->locked, GFN(70)));
    start(f, P2M_LOG_WRITES, ORDER_4K);
    bits[0] = bits[1] = 0;
    must(p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt));
    assert_int_equal(range.from.gfn, 64);
    assert_true(bits[0] == 0 && bits[1] == 0);
    p2m_unpin(f->locked, GFN(70));
    stop_and_merge(f);
}

/* A call ends between two pieces of the grain, never within one. */
static void a_round_in_many_calls_finds_the_same(void **state)
{
    struct fixture *f = *state;

    for (uint64_t gfn = 0; gfn < 32 * FRAMES_2M; gfn += FRAMES_2M) {
        must(set(f, GFN(gfn), mfn_add(RAM, gfn), ORDER_2M, P2M_RAM_RW));
        must(p2m_split(f->locked, GFN(gfn), ORDER_4K));
    }
    start(f, P2M_LOG_WRITES, ORDER_2M);
    for (uint64_t gfn = 511; gfn < 32 * FRAMES_2M; gfn += FRAMES_2M)
        write_to(f, GFN(gfn));
    assert_int_equal(collect(f), 32);
    assert_int_equal(collect(f), 0);
    stop_and_merge(f);
}

static void the_hosts_own_write_is_said(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    for (unsigned i = 0; i < 2; i++) {
        start(f, modes[i], ORDER_4K);
        collect(f);
        p2m_log_dirty_write(f->locked, GFN(7));
        must(p2m_mark_dirty(f->locked, GFN(7)));
        assert_int_equal(collect(f), 1);
        assert_true(is_said(7));
        must(p2m_log_dirty_stop(f->locked, &f->debt));
    }
}

/* The leaf is larger than what is asked for: in parts, nothing is lost. */
static void a_part_of_a_leaf_may_be_asked_for(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range;

    for (unsigned i = 0; i < 2; i++) {
        start(f, modes[i], ORDER_4K);
        must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
        memset(bits, 0, sizeof(bits));
        range = (struct gfn_range){ GFN(3), GFN(5) };
        memory_fail_allocation(1); /* it stays dirty, all of it */
        must(p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt));
        memory_fail_allocation(0);
        assert_int_equal(bits[0], 3u << 3);
        bits[0] = 0;
        range = (struct gfn_range){ GFN(3), GFN(5) };
        must(p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt));
        assert_int_equal(bits[0], 3u << 3);
        assert_int_equal(collect(f), 510);
        assert_int_equal(collect(f), 0);
        stop_and_merge(f);
        must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
        fixture_settle(f);
    }
}

/* Every frame of a GB in a leaf of its own: no call does more than its share. */
static void collecting_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(FRAMES_1G) };
    unsigned calls = 1;

    for (uint64_t gfn = 0; gfn < FRAMES_1G; gfn += 512) {
        must(set(f, GFN(gfn), mfn_add(RAM, gfn), ORDER_2M, P2M_RAM_RW));
        must(p2m_split(f->locked, GFN(gfn), ORDER_4K));
        must(p2m_mark_dirty(f->locked, GFN(gfn + 3)));
    }
    start(f, P2M_LOG_DIRTY_BITS, ORDER_4K);
    while (p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt) == P2M_AGAIN)
        calls++;
    assert_in_range(calls, 64, 70);
}

static void the_stop_merges_what_the_log_split_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(FRAMES_1G), MORE, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(FRAMES_1G), ORDER_2M)); /* somebody wanted it so */
    start(f, P2M_LOG_DIRTY_BITS, ORDER_4K);
    for (unsigned round = 0; round < 3; round++) {
        write_to(f, GFN(7));
        collect(f);
    }
    assert_int_equal(get(f, GFN(7)).order, ORDER_4K);
    assert_false(p2m_has_candidates(&f->p2m));
    stop_and_merge(f);
    assert_int_equal(get(f, GFN(7)).order, ORDER_1G);
    assert_int_equal(get(f, GFN(FRAMES_1G)).order, ORDER_2M);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(512), GFN(1024) };
    const struct p2m_dirty later = { GFN(1024), bits };

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_TYPE, p2m_log_dirty_stop(f->locked, &f->debt));
    REFUSED(f, P2M_BAD_TYPE, p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt));
    REFUSED(f, P2M_BAD_RANGE, p2m_log_dirty_start(f->locked, P2M_LOG_WRITES, ORDER_1G, &f->debt));
    REFUSED(f, P2M_BAD_RANGE, p2m_log_dirty_start(f->locked, P2M_LOG_OFF, ORDER_4K, &f->debt));
    start(f, P2M_LOG_DIRTY_BITS, ORDER_2M);
    REFUSED(f, P2M_BUSY, p2m_log_dirty_start(f->locked, P2M_LOG_WRITES, ORDER_4K, &f->debt));
    REFUSED(f, P2M_BAD_RANGE, p2m_log_dirty_collect(f->locked, &range, &later, &f->debt));
    range.from = GFN(513);
    REFUSED(f, P2M_BAD_RANGE, p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt));
    range.from = range.end;
    REFUSED(f, P2M_BAD_RANGE, p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt));
    assert_false(p2m_log_dirty_write(f->locked, GFN(7))); /* nothing is held off */
    assert_false(p2m_log_dirty_write(f->locked, f->config.end));
    stop_and_merge(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(what_is_written_is_said_once_and_nothing_else),
        FOR_BOTH_FORMATS(the_start_takes_no_table_and_no_leaf_apart),
        FOR_BOTH_FORMATS(a_coarser_grain_keeps_2_mb),
        FOR_BOTH_FORMATS(without_a_page_for_tables_the_whole_leaf_is_dirty),
        FOR_BOTH_FORMATS(d_bits_say_it_a_size_finer_each_time),
        POD_FOR_BOTH_FORMATS(that_it_was_written_is_not_forgotten),
        FOR_BOTH_FORMATS(late_bits_of_a_merged_table_are_said_when_it_is_paid),
        POD_FOR_BOTH_FORMATS(what_comes_meanwhile_is_dirty),
        FOR_BOTH_FORMATS(a_pinned_frame_is_always_dirty),
        FOR_BOTH_FORMATS(what_lies_beyond_the_range_is_not_said),
        FOR_BOTH_FORMATS(a_round_in_many_calls_finds_the_same),
        FOR_BOTH_FORMATS(the_hosts_own_write_is_said),
        FOR_BOTH_FORMATS(a_part_of_a_leaf_may_be_asked_for),
        FOR_BOTH_FORMATS(collecting_is_bounded),
        FOR_BOTH_FORMATS(the_stop_merges_what_the_log_split_and_nothing_else),
        FOR_BOTH_FORMATS(what_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests_name("log_dirty", tests, NULL, NULL);
}
