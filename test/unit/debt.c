/* SPDX-License-Identifier: MIT */
/*
 * p2m/debt.c: what left the map comes back once, after the flush and not before; no D bit that the
 * processor sets in a dead table is lost.
 */
#include "fixture.h"

#define RAM    MFN(0x40000)
#define INSIDE GFN(0x209) /* of the second 2 MB */

static void merge(struct fixture *fixture, gfn_t gfn, unsigned order)
{
    must(p2m_merge(fixture->locked, gfn, order, &fixture->debt));
}

static void split(struct fixture *fixture, gfn_t gfn, unsigned order)
{
    must(p2m_split(fixture->locked, gfn, order));
}

static void touch(struct fixture *fixture, gfn_t gfn, enum processor_access access)
{
    assert_true(processor_access(&fixture->processor, gfn, access).answer <= ANSWER_WALKED);
}

/* ---- what is owed --------------------------------------------------------------------------- */

static void a_leaf_that_leaves_is_owed_as_frames(void **state)
{
    static const unsigned orders[] = { ORDER_4K, ORDER_2M, ORDER_1G };
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        const struct p2m_owed *owed = &f->debt.owed[0];

        must(set(f, GFN(0x40000), RAM, orders[i], P2M_RAM_RO));
        assert_int_equal(f->debt.flush, i > 0); /* a table of nothing was in the way */
        fixture_settle(f);
        must(set(f, GFN(0x40000), INVALID_MFN, orders[i], P2M_INVALID));
        assert_true(f->debt.flush);
        assert_int_equal(f->debt.count, 1);
        assert_int_equal(owed->kind, P2M_OWED_FRAMES);
        assert_int_equal(owed->gfn.gfn, 0x40000);
        assert_int_equal(owed->frames.mfn.mfn, RAM.mfn);
        assert_int_equal(owed->frames.type, P2M_RAM_RO);
        assert_int_equal(owed->order, orders[i]);
        assert_int_equal(f->p2m.unpaid.ram, order_frames(orders[i]));
        assert_int_equal(memory_returned().calls, i);
        fixture_settle(f);
        assert_int_equal(memory_returned().calls, i + 1);
        assert_int_equal(memory_returned().last.mfn.mfn, RAM.mfn);
        assert_int_equal(memory_returned().last.order, orders[i]);
        assert_int_equal(memory_returned().last.type, P2M_RAM_RO);
        assert_int_equal(f->p2m.unpaid.ram, 0);
    }
}

static void a_subtree_comes_back_whole(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    split(f, GFN(5), ORDER_4K);
    must(set(f, GFN(7), INVALID_MFN, ORDER_4K, P2M_INVALID));
    must(set(f, GFN(512), INVALID_MFN, ORDER_2M, P2M_POD));
    fixture_settle(f);
    assert_int_equal(memory_returned().frames, 513);

    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_INVALID));
    assert_int_equal(f->debt.count, 1);
    assert_int_equal(f->debt.owed[0].kind, P2M_OWED_SUBTREE);
    assert_int_equal(f->debt.owed[0].order, ORDER_1G);
    assert_int_equal(f->p2m.unpaid.tables, 2);
    assert_int_equal(f->p2m.unpaid.ram, order_frames(ORDER_1G) - 513);
    assert_int_equal(memory_tables_in_use(), 4);
    expect_sound(f);
    fixture_settle(f);
    assert_int_equal(memory_returned().frames, order_frames(ORDER_1G));
    assert_int_equal(memory_returned().calls, 2 + 511 + 510);
    assert_int_equal(memory_tables_in_use(), 2);
}

static void what_was_not_present_is_not_owed(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD));
    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(set(f, GFN(512), INVALID_MFN, ORDER_2M, P2M_BROKEN));
    must(set(f, GFN(512), INVALID_MFN, ORDER_2M, P2M_INVALID));
    assert_int_equal(f->debt.count, 0);
    assert_false(f->debt.flush);
}

static void frames_of_devices_come_back_and_are_not_counted_as_memory(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(3), MFN(0xfee00), ORDER_4K, P2M_MMIO));
    must(set(f, GFN(3), INVALID_MFN, ORDER_4K, P2M_INVALID));
    assert_int_equal(f->p2m.unpaid.ram, 0);
    fixture_settle(f);
    assert_int_equal(memory_returned().last.type, P2M_MMIO);
    assert_int_equal(memory_returned().last.mfn.mfn, 0xfee00);
}

/* ---- when it may be paid -------------------------------------------------------------------- */

static void paying_before_the_flush_is_an_assert(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    EXPECT_ASSERT(pay_to_the_end(f->locked, &f->debt));
}

static void a_debt_made_during_a_settle_waits_for_the_next(void **state)
{
    struct fixture *f = *state;
    uint64_t generation;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    generation = p2m_begin_settle(&f->p2m);
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    p2m_end_settle(&f->p2m, generation);
    EXPECT_ASSERT(pay_to_the_end(f->locked, &f->debt));
    generation = p2m_begin_settle(&f->p2m);
    p2m_end_settle(&f->p2m, generation);
    pay_to_the_end(f->locked, &f->debt);
    assert_int_equal(memory_returned().frames, 512);
}

static void a_settle_that_ends_late_takes_nothing_back(void **state)
{
    struct fixture *f = *state;
    uint64_t first = p2m_begin_settle(&f->p2m), second = p2m_begin_settle(&f->p2m);

    assert_int_equal(second, first + 1);
    p2m_end_settle(&f->p2m, second);
    p2m_end_settle(&f->p2m, first);
    assert_int_equal(f->p2m.settled, second);
    assert_int_equal(p2m_generation(&f->p2m), second);
}

static void an_empty_debt_is_paid_at_any_time(void **state)
{
    struct fixture *f = *state;

    pay_to_the_end(f->locked, &f->debt);
    assert_int_equal(memory_returned().calls, 0);
}

/* ---- dead tables and their late bits -------------------------------------------------------- */

/* A read leaves the table in the processor's caches, with D still to be set; then it is merged. */
static void merge_under_the_processor(struct fixture *fixture)
{
    must(set(fixture, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    split(fixture, INSIDE, ORDER_4K);
    touch(fixture, INSIDE, ACCESS_READ);
    merge(fixture, INSIDE, ORDER_2M);
    assert_int_equal(fixture->p2m.unpaid.tables, 1);
}

static void a_late_dirty_bit_reaches_the_leaf(void **state)
{
    struct fixture *f = *state;

    merge_under_the_processor(f);
    touch(f, INSIDE, ACCESS_WRITE);
    assert_false(get(f, INSIDE).dirty);
    fixture_settle(f);
    assert_true(get(f, INSIDE).dirty);
    assert_false(get(f, GFN(0)).dirty);
}

static void a_late_dirty_bit_reaches_the_pieces_of_a_leaf_that_was_split_again(void **state)
{
    struct fixture *f = *state;

    merge_under_the_processor(f);
    touch(f, INSIDE, ACCESS_WRITE);
    split(f, INSIDE, ORDER_4K);
    fixture_settle(f);
    assert_true(get(f, INSIDE).dirty);
    assert_false(get(f, GFN(0)).dirty);
}

static void a_late_dirty_bit_reaches_a_leaf_that_was_merged_once_more(void **state)
{
    struct fixture *f = *state;

    merge_under_the_processor(f);
    merge(f, INSIDE, ORDER_1G);
    touch(f, INSIDE, ACCESS_WRITE);
    assert_false(get(f, INSIDE).dirty);
    fixture_settle(f);
    assert_true(get(f, INSIDE).dirty);
}

static void a_late_dirty_bit_of_a_middle_table_reaches_the_leaf(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    split(f, GFN(0), ORDER_2M);
    touch(f, GFN(0x3ffff), ACCESS_READ);
    merge(f, GFN(0), ORDER_1G);
    touch(f, GFN(0x3ffff), ACCESS_WRITE);
    assert_false(get(f, GFN(0)).dirty);
    fixture_settle(f);
    assert_true(get(f, GFN(0)).dirty);
}

static void late_bits_are_not_given_to_other_frames(void **state)
{
    struct fixture *f = *state;
    struct p2m_debt merged;

    merge_under_the_processor(f);
    touch(f, INSIDE, ACCESS_WRITE);
    merged = f->debt;
    f->debt = P2M_NO_DEBT;
    must(set(f, GFN(512), INVALID_MFN, ORDER_2M, P2M_INVALID));
    fixture_settle(f);
    must(set(f, GFN(512), MFN(0x80200), ORDER_2M, P2M_RAM_RW));
    pay_to_the_end(f->locked, &merged);
    assert_false(get(f, INSIDE).dirty);
}

static void the_table_of_marks_has_no_late_bits(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD));
    split(f, GFN(0), ORDER_4K);
    merge(f, GFN(0), ORDER_2M);
    assert_int_equal(f->debt.owed[0].kind, P2M_OWED_MERGED);
    fixture_settle(f);
    expect_entry(f, GFN(1), INVALID_MFN, ORDER_2M, P2M_POD);
}

static void a_merge_may_be_paid_after_the_map_is_destroyed(void **state)
{
    struct fixture *f = *state;
    struct p2m_debt merged;

    merge_under_the_processor(f);
    touch(f, INSIDE, ACCESS_WRITE);
    merged = f->debt;
    f->debt = P2M_NO_DEBT;
    p2m_destroy(f->locked, &f->debt);
    fixture_settle(f);
    pay_to_the_end(f->locked, &merged);
    assert_int_equal(memory_tables_in_use(), 0);
    p2m_unlock(f->locked);
    assert_int_equal(p2m_create(&f->p2m, &f->config), P2M_OK); /* for the teardown */
    f->locked = p2m_lock(&f->p2m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(a_leaf_that_leaves_is_owed_as_frames),
        FOR_BOTH_FORMATS(a_subtree_comes_back_whole),
        FOR_BOTH_FORMATS(what_was_not_present_is_not_owed),
        FOR_BOTH_FORMATS(frames_of_devices_come_back_and_are_not_counted_as_memory),
        FOR_BOTH_FORMATS(paying_before_the_flush_is_an_assert),
        FOR_BOTH_FORMATS(a_debt_made_during_a_settle_waits_for_the_next),
        FOR_BOTH_FORMATS(a_settle_that_ends_late_takes_nothing_back),
        FOR_BOTH_FORMATS(an_empty_debt_is_paid_at_any_time),
        FOR_BOTH_FORMATS(a_late_dirty_bit_reaches_the_leaf),
        FOR_BOTH_FORMATS(a_late_dirty_bit_reaches_the_pieces_of_a_leaf_that_was_split_again),
        FOR_BOTH_FORMATS(a_late_dirty_bit_reaches_a_leaf_that_was_merged_once_more),
        FOR_BOTH_FORMATS(a_late_dirty_bit_of_a_middle_table_reaches_the_leaf),
        FOR_BOTH_FORMATS(late_bits_are_not_given_to_other_frames),
        FOR_BOTH_FORMATS(the_table_of_marks_has_no_late_bits),
        FOR_BOTH_FORMATS(a_merge_may_be_paid_after_the_map_is_destroyed),
    };

    return cmocka_run_group_tests_name("debt", tests, NULL, NULL);
}
