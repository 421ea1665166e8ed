/* SPDX-License-Identifier: MIT */
/*
 * p2m/pod.c and p2m/reclaim.c: while the guest is in debt its memory may be mapped by 4 KB leaves,
 * so that D says for each of them what need not be read.
 */
#include "pod_fixture.h"

#define RAM MFN(0x80000)

/* 2 MB in hand for 4 MB of marks; D per 4 KB. */
static void start(struct fixture *f)
{
    must(mark(f, GFN(0), 2 * FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    pod_set_debt_order(&f->pod, ORDER_4K);
}

static void forget_recent(struct fixture *f)
{
    for (unsigned i = 0; i < POD_RECENT; i++)
        f->pod.recent[i] = GFN(UINT64_MAX);
}

static void in_debt_2_mb_are_mapped_by_512_leaves(void **state)
{
    struct fixture *f = *state;

    start(f);
    guest_write(f, GFN(7), 1);
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_4K, P2M_RAM_RW);
    assert_true(get(f, GFN(7)).dirty);
    assert_false(get(f, GFN(8)).dirty);
    expect_account(f, FRAMES_2M, 0, FRAMES_2M);
    expect_populates(f, 0, 1, 0);
}

static void out_of_debt_they_are_one_leaf(void **state)
{
    struct fixture *f = *state;

    start(f);
    hand(f, mfn_add(RAM, FRAMES_2M), ORDER_2M, POD_CLEAN);
    guest_write(f, GFN(7), 1);
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_2M, P2M_RAM_RW);
}

static void a_gb_is_populated_by_2_mb_then(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), 2 * FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_CLEAN);
    pod_set_debt_order(&f->pod, ORDER_4K);
    guest_write(f, GFN(FRAMES_2M), 1);
    expect_entry(f, GFN(FRAMES_2M), mfn_add(RAM, FRAMES_2M), ORDER_4K, P2M_RAM_RW);
    assert_int_equal(get(f, GFN(0)).type, P2M_POD);
    expect_account(f, 2 * FRAMES_1G - FRAMES_2M, FRAMES_1G - FRAMES_2M, FRAMES_2M);
}

static void without_a_page_for_a_table_it_is_one_leaf(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    start(f);
    memory_fail_allocation(1);
    must(pod_demand_populate(f->locked, &f->pod, GFN(0), &grant));
    memory_fail_allocation(0);
    expect_entry(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW);
}

static void what_was_not_written_is_taken_back_unread(void **state)
{
    struct pod_sweep_kind unwritten = { ORDER_4K, POD_UNWRITTEN };
    struct fixture *f = *state;
    uint64_t taken = 0, more;

    start(f);
    guest_write(f, GFN(7), 0xfeed);
    forget_recent(f);
    while ((more = sweep_once(f, unwritten)) > 0)
        taken += more;
    assert_int_equal(taken, FRAMES_2M - 1);
    assert_int_equal(pod_events(&f->pod).unread, FRAMES_2M - 1);
    assert_int_equal(pod_events(&f->pod).bytes_read, 0);
    assert_int_equal(guest_read(f, GFN(7)), 0xfeed);
    expect_clean_in_hand(f, FRAMES_2M - 1);
}

static void what_is_read_is_not_counted_as_unread(void **state)
{
    struct fixture *f = *state;

    start(f);
    guest_write(f, GFN(7), 0);
    forget_recent(f);
    must(p2m_mark_dirty(f->locked, GFN(9)));
    while (sweep_once(f, sweep_leaves[0]) > 0)
        ;
    assert_int_equal(pod_events(&f->pod).reclaimed[0], FRAMES_2M);
    assert_int_equal(pod_events(&f->pod).unread, FRAMES_2M - 2);
    assert_in_range(pod_events(&f->pod).bytes_read, 2 * FRAME_SIZE, 3 * FRAME_SIZE);
}

static void an_order_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;

    EXPECT_ASSERT(pod_set_debt_order(&f->pod, ORDER_1G));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(in_debt_2_mb_are_mapped_by_512_leaves),
        POD_FOR_BOTH_FORMATS(out_of_debt_they_are_one_leaf),
        POD_FOR_BOTH_FORMATS(a_gb_is_populated_by_2_mb_then),
        POD_FOR_BOTH_FORMATS(without_a_page_for_a_table_it_is_one_leaf),
        POD_FOR_BOTH_FORMATS(what_was_not_written_is_taken_back_unread),
        POD_FOR_BOTH_FORMATS(what_is_read_is_not_counted_as_unread),
        POD_FOR_BOTH_FORMATS(an_order_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
