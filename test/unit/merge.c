/* SPDX-License-Identifier: MIT */
/*
 * p2m/merge.c: tables that became alike are noted, merged when asked, and left alone otherwise.
 */
#include "fixture.h"

#define RAM MFN(0x40000)

static enum p2m_error merge(struct fixture *fixture, gfn_t gfn, unsigned order)
{
    return p2m_merge(fixture->locked, gfn, order, &fixture->debt);
}

static unsigned merge_candidates(struct fixture *fixture)
{
    return p2m_merge_candidates(fixture->locked, &fixture->debt);
}

static void split(struct fixture *fixture, gfn_t gfn, unsigned order)
{
    must(p2m_split(fixture->locked, gfn, order));
}

/* ---- one merge ------------------------------------------------------------------------------ */

static void a_split_and_a_merge_leave_what_was_there(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0x40000), RAM, ORDER_1G, P2M_RAM_RW));
    split(f, GFN(0x40000), ORDER_4K);
    assert_int_equal(merge(f, GFN(0x401ff), ORDER_2M), P2M_OK);
    expect_entry(f, GFN(0x40003), MFN(0x40003), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0x40203), MFN(0x40203), ORDER_2M, P2M_RAM_RW);
    assert_int_equal(merge(f, GFN(0x7ffff), ORDER_1G), P2M_OK);
    expect_entry(f, GFN(0x7ffff), MFN(0x7ffff), ORDER_1G, P2M_RAM_RW);
    assert_int_equal(f->debt.count, 2);
    assert_int_equal(f->p2m.events.merges[order_size(ORDER_2M)], 1);
    assert_int_equal(f->p2m.events.merges[order_size(ORDER_1G)], 1);
    assert_int_equal(f->p2m.counts.tables, 2);
    assert_int_equal(memory_tables_in_use(), 4);
    fixture_settle(f);
    assert_int_equal(memory_tables_in_use(), 2);
}

static void marks_merge_into_a_mark(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_POD));
    split(f, GFN(0), ORDER_4K);
    assert_int_equal(f->p2m.counts.markers[0], 512);
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_OK);
    assert_int_equal(merge(f, GFN(0), ORDER_1G), P2M_OK);
    assert_int_equal(f->p2m.counts.markers[2], 1);
    expect_entry(f, GFN(0x3ffff), INVALID_MFN, ORDER_1G, P2M_POD);
}

static void nothing_merges_into_nothing_up_to_the_root(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_4K, P2M_RAM_RW));
    must(set(f, GFN(0), INVALID_MFN, ORDER_4K, P2M_INVALID));
    assert_int_equal(merge(f, GFN(0), ORDER_1G), P2M_UNEQUAL);
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_OK);
    assert_int_equal(merge(f, GFN(0), ORDER_1G), P2M_OK);
    assert_int_equal(merge(f, GFN(0), 27), P2M_OK);
    assert_int_equal(get(f, GFN(0)).order, 27);
    assert_int_equal(f->p2m.counts.tables, 1);
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        assert_int_equal(f->p2m.events.merges[size], 0); /* nothing became a superpage */
}

static void a_dirty_piece_makes_the_whole_dirty(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    split(f, GFN(0), ORDER_4K);
    processor_access(&f->processor, GFN(0x111), ACCESS_WRITE);
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_OK);
    assert_true(get(f, GFN(0)).dirty);
    assert_true(get(f, GFN(0)).accessed);
}

static void pins_do_not_hinder_a_merge(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_pin(f->locked, GFN(17)));
    split(f, GFN(0), ORDER_4K);
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_OK);
    p2m_unpin(f->locked, GFN(17));
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void what_is_not_alike_does_not_merge(void **state)
{
    struct fixture *f = *state;
    static const uint64_t at[] = { 0, 1, 255, 511 };

    for (unsigned i = 0; i < 4; i++) {
        mfn_t mfn = MFN(RAM.mfn + at[i]);

        must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
        must(set(f, GFN(at[i]), mfn, ORDER_4K, P2M_RAM_RO));
        assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_UNEQUAL);
        must(set(f, GFN(at[i]), mfn, ORDER_4K, P2M_INVALID));
        assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_UNEQUAL);
        fixture_settle(f);
        must(set(f, GFN(at[i]), MFN(0x80000), ORDER_4K, P2M_RAM_RW));
        assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_UNEQUAL);
        must(set(f, GFN(0), mfn, ORDER_2M, P2M_INVALID));
        fixture_settle(f);
    }
}

static void tables_and_marks_of_two_kinds_do_not_merge(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_POD));
    split(f, GFN(512), ORDER_4K);
    assert_int_equal(merge(f, GFN(0), ORDER_1G), P2M_UNEQUAL);
    must(set(f, GFN(512), INVALID_MFN, ORDER_2M, P2M_BROKEN));
    assert_int_equal(merge(f, GFN(0), ORDER_1G), P2M_UNEQUAL);
    assert_int_equal(merge(f, GFN(0), 27), P2M_UNEQUAL);
}

static void marks_end_at_1_gb(void **state)
{
    struct fixture *f = *state;
    struct gfn_range root_entry = { GFN(0), GFN((uint64_t)1 << 27) };

    f->config.end = root_entry.end;
    fixture_restart(f);
    must(set_range(f, root_entry, INVALID_MFN, P2M_POD));
    assert_int_equal(f->p2m.counts.markers[order_size(ORDER_1G)], 512);
    assert_int_equal(merge(f, GFN(0), 27), P2M_UNEQUAL);
    assert_int_equal(merge_candidates(f), 0);
}

static void a_misaligned_run_does_not_merge(void **state)
{
    struct fixture *f = *state;

    must(set_range(f, (struct gfn_range){ GFN(0), GFN(512) }, MFN(0x40001), P2M_RAM_RW));
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_UNEQUAL);
    assert_int_equal(merge_candidates(f), 0);
}

static void no_leaf_grows_beyond_the_largest_order(void **state)
{
    struct fixture *f = *state;
    struct gfn_range gigabyte = { GFN(0), GFN(0x40000) };

    f->config.max_order = ORDER_2M;
    fixture_restart(f);
    must(set_range(f, gigabyte, RAM, P2M_RAM_RW));
    assert_int_equal(f->p2m.counts.ram[order_size(ORDER_2M)], 512);
    assert_int_equal(merge(f, GFN(0), ORDER_1G), P2M_UNEQUAL);
    f->config.max_order = ORDER_4K;
    fixture_restart(f);
    gigabyte.end = GFN(512);
    must(set_range(f, gigabyte, RAM, P2M_RAM_RW));
    assert_int_equal(f->p2m.counts.ram[0], 512);
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_UNEQUAL);
}

static void bad_orders_and_places_are_refused(void **state)
{
    static const unsigned orders[] = { 0, 1, 8, 10, 17, 19, 36, 64, 1000, ~0u };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        assert_int_equal(merge(f, GFN(0), orders[i]), P2M_BAD_RANGE);
    assert_int_equal(merge(f, f->config.end, ORDER_2M), P2M_BAD_RANGE);
    assert_int_equal(merge(f, GFN(UINT64_MAX), ORDER_1G), P2M_BAD_RANGE);
    assert_int_equal(merge(f, GFN(0), ORDER_2M), P2M_UNEQUAL);
}

static void a_full_debt_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct snapshot before;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (unsigned i = 0; i <= P2M_DEBT_MAX; i++)
        split(f, GFN(i * 512), ORDER_4K);
    for (unsigned i = 0; i < P2M_DEBT_MAX; i++)
        assert_int_equal(merge(f, GFN(i * 512), ORDER_2M), P2M_OK);
    before = snapshot_take(f);
    assert_int_equal(merge(f, GFN(P2M_DEBT_MAX * 512), ORDER_2M), P2M_DEBT_FULL);
    snapshot_expect_same(f, before);
    assert_int_equal(merge_candidates(f), 0);
}

/* ---- candidates ----------------------------------------------------------------------------- */

/* A hole and its filling: the table is alike again, and noted. */
static void make_candidate(struct fixture *fixture, gfn_t gfn)
{
    mfn_t mfn = get(fixture, gfn).mfn;

    must(set(fixture, gfn, mfn, ORDER_4K, P2M_RAM_RO));
    must(set(fixture, gfn, mfn, ORDER_4K, P2M_RAM_RW));
}

static void candidates_merge_all_the_way_up(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    make_candidate(f, GFN(0x12345));
    assert_int_equal(get(f, GFN(0)).order, ORDER_2M);
    assert_int_equal(merge_candidates(f), 2);
    expect_entry(f, GFN(0x12345), MFN(RAM.mfn + 0x12345), ORDER_1G, P2M_RAM_RW);
    assert_int_equal(merge_candidates(f), 0);
}

static void a_split_alone_makes_no_candidate(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    split(f, GFN(0), ORDER_4K);
    assert_int_equal(merge_candidates(f), 0);
    assert_int_equal(get(f, GFN(0)).order, ORDER_4K);
}

static void a_candidate_that_changed_again_is_left_alone(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    make_candidate(f, GFN(7));
    must(set(f, GFN(8), MFN(RAM.mfn + 8), ORDER_4K, P2M_RAM_RO));
    assert_int_equal(merge_candidates(f), 0);
    must(set(f, GFN(8), MFN(RAM.mfn + 8), ORDER_4K, P2M_RAM_RW));
    assert_int_equal(merge_candidates(f), 1);
}

/* It was merged before the candidates were looked at, and split since. */
static void a_candidate_that_was_split_on_purpose_stays_split(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 512; i++)
        must(set(f, GFN(i), mfn_add(RAM, i), ORDER_4K, P2M_RAM_RW));
    must(merge(f, GFN(0), ORDER_2M));
    fixture_settle(f);
    split(f, GFN(0), ORDER_4K);
    assert_int_equal(merge_candidates(f), 0);
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_4K, P2M_RAM_RW);
}

static void more_candidates_than_can_be_noted_are_all_merged(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (uint64_t i = 0; i < 3 * P2M_CANDIDATES_MAX; i++)
        make_candidate(f, GFN(i * 512 + 1));
    for (unsigned merged = 0; merged < 3 * P2M_CANDIDATES_MAX + 1;) {
        unsigned now = merge_candidates(f);

        assert_int_not_equal(now, 0);
        merged += now;
        fixture_settle(f);
    }
    expect_entry(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW);
}

/* The look at all tables ends with the debt, just as its last merge notes the table above. */
static void when_the_list_overflows_deliberate_splits_stay(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(0x40000), MFN(0x80000), ORDER_1G, P2M_RAM_RW));
    for (uint64_t i = 0; i < P2M_DEBT_MAX; i++)
        split(f, GFN(i * 512), ORDER_4K);
    for (uint64_t i = 0; i <= P2M_CANDIDATES_MAX; i++)
        make_candidate(f, GFN(0x40000 + i * 512));
    for (unsigned round = 0; round < 4; round++) {
        merge_candidates(f);
        assert_in_range(f->p2m.candidate_count, 0, P2M_CANDIDATES_MAX);
        fixture_settle(f);
    }
    for (uint64_t i = 0; i < P2M_DEBT_MAX; i++)
        expect_entry(f, GFN(i * 512), MFN(RAM.mfn + i * 512), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(0x40000), MFN(0x80000), ORDER_1G, P2M_RAM_RW);
    assert_int_equal(f->p2m.pin_count, 0);
}

/* A table that reaches beyond the end of the map, noted when there was no room left. */
static void the_look_at_all_tables_sees_the_last_one_too(void **state)
{
    struct fixture *f = *state;
    gfn_t last = GFN(frame_align_down(f->config.end.gfn, ORDER_1G));

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, last, MFN(0x80000), ORDER_2M, P2M_RAM_RW));
    for (uint64_t i = 0; i <= P2M_CANDIDATES_MAX; i++)
        make_candidate(f, GFN(i * 512));
    must(set(f, last, INVALID_MFN, ORDER_2M, P2M_INVALID));
    fixture_settle(f);
    assert_int_equal(get(f, last).order, ORDER_2M);
    merge_candidates(f);
    assert_int_equal(get(f, last).order, ORDER_1G);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(a_split_and_a_merge_leave_what_was_there),
        FOR_BOTH_FORMATS(marks_merge_into_a_mark),
        FOR_BOTH_FORMATS(nothing_merges_into_nothing_up_to_the_root),
        FOR_BOTH_FORMATS(a_dirty_piece_makes_the_whole_dirty),
        FOR_BOTH_FORMATS(pins_do_not_hinder_a_merge),
        FOR_BOTH_FORMATS(what_is_not_alike_does_not_merge),
        FOR_BOTH_FORMATS(tables_and_marks_of_two_kinds_do_not_merge),
        FOR_BOTH_FORMATS(marks_end_at_1_gb),
        FOR_BOTH_FORMATS(a_misaligned_run_does_not_merge),
        FOR_BOTH_FORMATS(no_leaf_grows_beyond_the_largest_order),
        FOR_BOTH_FORMATS(bad_orders_and_places_are_refused),
        FOR_BOTH_FORMATS(a_full_debt_changes_nothing),
        FOR_BOTH_FORMATS(candidates_merge_all_the_way_up),
        FOR_BOTH_FORMATS(a_split_alone_makes_no_candidate),
        FOR_BOTH_FORMATS(a_candidate_that_changed_again_is_left_alone),
        FOR_BOTH_FORMATS(a_candidate_that_was_split_on_purpose_stays_split),
        FOR_BOTH_FORMATS(more_candidates_than_can_be_noted_are_all_merged),
        FOR_BOTH_FORMATS(when_the_list_overflows_deliberate_splits_stay),
        FOR_BOTH_FORMATS(the_look_at_all_tables_sees_the_last_one_too),
    };

    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
