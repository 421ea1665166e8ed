/* SPDX-License-Identifier: MIT */
/*
 * p2m/log_dirty.c against everything else that goes on: no write is missing from the round that may
 * be the last, whatever is held, moves or was merged when it is asked for.
 */
#include "pod_fixture.h"

#include <string.h>

#include "p2m/log_dirty.h"

#define RAM MFN(0x40000)

/* The first 2 MB, by 4K frames. */
#define FRAMES 512
static uint64_t bits[FRAMES / 64];
static const struct p2m_dirty dirty = { { 0 }, bits };

static enum p2m_error collect_now(struct fixture *f)
{
    struct gfn_range range = { GFN(0), GFN(FRAMES) };

    memset(bits, 0, sizeof(bits));
    return p2m_log_dirty_collect(f->locked, &range, &dirty, &f->debt);
}

/* How many frames are said. */
static unsigned collect(struct fixture *f)
{
    unsigned count = 0;

    must(collect_now(f));
    fixture_settle(f);
    for (unsigned i = 0; i < FRAMES / 64; i++)
        count += (unsigned)__builtin_popcountll(bits[i]);
    return count;
}

static void start(struct fixture *f, enum p2m_log_mode mode)
{
    must(p2m_log_dirty_start(f->locked, mode, ORDER_4K, &f->debt));
    fixture_settle(f);
    must(p2m_finish_type_change(f->locked, UINT64_MAX));
}

/* ---- what is held --------------------------------------------------------------------------- */

static void what_is_held_is_said_when_it_is_let_go(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, GFN(0), RAM, ORDER_4K);
    start(f, P2M_LOG_WRITES);
    assert_true(p2m_log_dirty_write(f->locked, GFN(0)));
    must(p2m_mark_dirty(f->locked, GFN(0)));
    must(sweep_begin(f, sweep_leaves[0], &sweep));
    assert_int_equal(get(f, GFN(0)).type, P2M_RAM_HELD);
    POD_REFUSED(f, P2M_BUSY, collect_now(f));
    pod_release(f->locked, &f->pod, GFN(0));
    assert_int_equal(sweep_finish(f, &sweep), 0);
    assert_int_equal(collect(f), 1);
    assert_int_equal(collect(f), 0);
}

/* ---- what moves ----------------------------------------------------------------------------- */

static void begin_move(struct fixture *f, enum p2m_log_mode mode, struct pod_move *move)
{
    struct pod_place place = { .gfn = GFN(0), .near = INVALID_MFN };

    must(mark(f, GFN(FRAMES), FRAMES));
    map(f, GFN(0), RAM, ORDER_4K);
    hand(f, mfn_add(RAM, FRAMES), ORDER_2M, POD_CLEAN);
    start(f, mode);
    p2m_log_dirty_write(f->locked, GFN(0));
    guest_write(f, GFN(0), 42);
    *move = (struct pod_move){ .where = POD_ANYWHERE };
    must(pod_move_begin(f->locked, &f->pod, move, &place, &f->debt));
    fixture_settle(f);
}

static void what_moves_is_said_when_it_has_moved(void **state)
{
    static const enum p2m_log_mode modes[] = { P2M_LOG_WRITES, P2M_LOG_DIRTY_BITS };
    struct fixture *f = *state;
    struct pod_move move;

    for (unsigned i = 0; i < 2; i++) {
        pod_restart(f, ORDER_1G);
        begin_move(f, modes[i], &move);
        POD_REFUSED(f, P2M_BUSY, collect_now(f));
        *memory_word(move.to.mfn) = 42;
        assert_true(pod_move_unmap(f->locked, &f->pod, &move, &f->debt));
        pod_settle(f);
        POD_REFUSED(f, P2M_BUSY, collect_now(f));
        pod_move_finish(f->locked, &f->pod, &move);
        assert_int_equal(collect(f), 1);
        assert_int_equal(collect(f), 0);
    }
}

/* ---- what was merged ------------------------------------------------------------------------ */

/* A processor wrote through the dead table, and that is settled; only the payment is to come. */
static void what_is_in_a_dead_table_is_said_when_it_is_paid(void **state)
{
    struct fixture *f = *state;
    uint64_t generation;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    start(f, P2M_LOG_DIRTY_BITS);
    assert_int_equal(collect(f), 0);
    processor_access(&f->processor, GFN(7), ACCESS_READ);
    must(p2m_merge(f->locked, GFN(0), ORDER_2M, &f->debt));
    processor_access(&f->processor, GFN(7), ACCESS_WRITE);
    generation = p2m_begin_settle(&f->p2m);
    processor_flush(&f->processor);
    p2m_end_settle(&f->p2m, generation);
    REFUSED(f, P2M_BUSY, collect_now(f));
    must(p2m_pay(f->locked, &f->debt));
    assert_int_equal(collect(f), FRAMES);
    assert_int_equal(collect(f), 0);
}

/* ---- afterwards ----------------------------------------------------------------------------- */

/* While the log was on, nothing was of the type that is swept. */
static void what_was_clean_in_the_log_is_swept_after_it(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, GFN(0), RAM, ORDER_2M);
    f->pod.events.populates[order_size(ORDER_2M)] = 1;
    start(f, P2M_LOG_WRITES);
    assert_int_equal(sweep_begin(f, pod_sweep_kinds[0], &sweep), P2M_EMPTY);
    must(p2m_log_dirty_stop(f->locked, &f->debt));
    fixture_settle(f);
    must(p2m_finish_type_change(f->locked, UINT64_MAX));
    must(sweep_begin(f, pod_sweep_kinds[0], &sweep));
    sweep_scan(f, &sweep);
    assert_int_equal(sweep_finish(f, &sweep), FRAMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(what_is_held_is_said_when_it_is_let_go),
        POD_FOR_BOTH_FORMATS(what_moves_is_said_when_it_has_moved),
        FOR_BOTH_FORMATS(what_is_in_a_dead_table_is_said_when_it_is_paid),
        POD_FOR_BOTH_FORMATS(what_was_clean_in_the_log_is_swept_after_it),
    };

    return cmocka_run_group_tests_name("log_rounds", tests, NULL, NULL);
}
