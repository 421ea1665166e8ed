/* SPDX-License-Identifier: MIT */
/*
 * p2m/set.c: what may take whose place, and what is said of it when it comes back.
 */
#include "fixture.h"

#define RAM MFN(0x40000)

static void a_change_of_class_is_no_change_of_type(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RW, P2M_MMIO, P2M_SPECIAL };
    struct fixture *f = *state;

    for (unsigned from = 0; from < 3; from++) {
        must(set(f, GFN(7), RAM, ORDER_4K, types[from]));
        for (unsigned to = 0; to < 3; to++)
            if (to != from)
                REFUSED(f, P2M_OCCUPIED, set(f, GFN(7), RAM, ORDER_4K, types[to]));
        must(set(f, GFN(7), INVALID_MFN, ORDER_4K, P2M_INVALID));
        fixture_settle(f);
        assert_int_equal(memory_returned().last.type, types[from]);
    }
}

static void a_change_of_type_alone_keeps_the_frame_and_its_bits(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_mark_dirty(f->locked, GFN(5)));
    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RO));
    expect_entry(f, GFN(5), MFN(RAM.mfn + 5), ORDER_2M, P2M_RAM_RO);
    assert_true(get(f, GFN(5)).dirty);
    assert_true(f->debt.flush);
    assert_int_equal(f->debt.count, 0);
    fixture_settle(f);
    assert_int_equal(memory_returned().calls, 0);
}

/* A processor may still use the old frame: with the new one mapped, two of them would see one each.
 */
static void what_this_debt_owes_is_not_mapped_over(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(1024) };
    mfn_t mfn = MFN(0x80000);

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(set(f, GFN(3), INVALID_MFN, ORDER_4K, P2M_INVALID));
    REFUSED(f, P2M_OCCUPIED, set(f, GFN(3), MFN(0x80003), ORDER_4K, P2M_RAM_RW));
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    REFUSED(f, P2M_OCCUPIED, set(f, GFN(0), MFN(0x80000), ORDER_2M, P2M_RAM_RW));
    REFUSED(f, P2M_OCCUPIED, p2m_set_range(f->locked, &range, &mfn, P2M_RAM_RW, &f->debt));
    must(set(f, GFN(512), MFN(0x80200), ORDER_2M, P2M_RAM_RW)); /* beside it */
    fixture_settle(f);
    must(set(f, GFN(0), MFN(0x80000), ORDER_2M, P2M_RAM_RW));
}

static void a_range_changes_type_and_keeps_the_sizes_that_are_there(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(order_frames(ORDER_1G)) };

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(5), ORDER_4K));
    must(set_range(f, range, RAM, P2M_RAM_RO));
    expect_entry(f, GFN(5), MFN(RAM.mfn + 5), ORDER_4K, P2M_RAM_RO);
    expect_entry(f, GFN(512), MFN(RAM.mfn + 512), ORDER_2M, P2M_RAM_RO);
    must(set_range(f, range, RAM, P2M_RAM_RO));
    assert_int_equal(set_range(f, range, MFN(0x80000), P2M_RAM_RO), P2M_OCCUPIED);
}

static void no_frame_beyond_the_machine_is_mapped(void **state)
{
    struct fixture *f = *state;

    f->config.mfn_end = MFN(0x40000 + 512 + 8);
    fixture_restart(f);
    must(set(f, GFN(0), MFN(0x40000), ORDER_2M, P2M_RAM_RW));
    must(set(f, GFN(512), MFN(0x40000 + 519), ORDER_4K, P2M_MMIO));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(513), MFN(0x40000 + 520), ORDER_4K, P2M_MMIO));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(1024), MFN(0x40000 + 512), ORDER_2M, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(1024), INVALID_MFN, ORDER_4K, P2M_RAM_RW));
}

static void a_broken_frame_comes_back_as_such_and_leaves_a_mark(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(set(f, GFN(9), INVALID_MFN, ORDER_4K, P2M_BROKEN));
    fixture_settle(f);
    assert_int_equal(memory_returned().last.became, P2M_BROKEN);
    assert_int_equal(memory_returned().last.mfn.mfn, RAM.mfn + 9);
    REFUSED(f, P2M_OCCUPIED, set(f, GFN(9), MFN(0x80009), ORDER_4K, P2M_RAM_RW));
    must(set(f, GFN(9), INVALID_MFN, ORDER_4K, P2M_INVALID));
    must(set(f, GFN(9), MFN(0x80009), ORDER_4K, P2M_RAM_RW));
}

static void what_comes_back_says_whether_it_was_written(void **state)
{
    struct fixture *f = *state;

    for (unsigned written = 0; written < 2; written++) {
        must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
        processor_access(&f->processor, GFN(77), written ? ACCESS_WRITE : ACCESS_READ);
        must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD));
        fixture_settle(f);
        assert_true(memory_returned().last.accessed);
        assert_int_equal(memory_returned().last.dirty, written);
        assert_int_equal(memory_returned().last.became, P2M_POD);
        must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    }
}

/* The write went through the dead table of a merge that nobody has settled yet. */
static void a_late_write_is_not_lost_with_the_frame(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    processor_access(&f->processor, GFN(3), ACCESS_READ);
    must(p2m_merge(f->locked, GFN(0), ORDER_2M, &f->debt));
    processor_access(&f->processor, GFN(3), ACCESS_WRITE);
    must(set(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_INVALID));
    fixture_settle(f);
    assert_true(memory_returned().last.dirty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(a_change_of_class_is_no_change_of_type),
        FOR_BOTH_FORMATS(a_change_of_type_alone_keeps_the_frame_and_its_bits),
        FOR_BOTH_FORMATS(what_this_debt_owes_is_not_mapped_over),
        FOR_BOTH_FORMATS(a_range_changes_type_and_keeps_the_sizes_that_are_there),
        FOR_BOTH_FORMATS(no_frame_beyond_the_machine_is_mapped),
        FOR_BOTH_FORMATS(a_broken_frame_comes_back_as_such_and_leaves_a_mark),
        FOR_BOTH_FORMATS(what_comes_back_says_whether_it_was_written),
        FOR_BOTH_FORMATS(a_late_write_is_not_lost_with_the_frame),
    };

    return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
