/* SPDX-License-Identifier: MIT */
/*
 * p2m/pod.c, what is promised and what the first touch takes: the account, marks, populates. Grants
 * and look-ups are pod_grant.c's, and what is given back again is pod_decrease.c's.
 */
#include "pod_fixture.h"

#define RAM MFN(0x40000) /* blocks in hand are from here on */

static const unsigned orders[] = { ORDER_4K, ORDER_2M, ORDER_1G };

/* Types that cannot be marked, nor populated. */
static const enum p2m_type others[] = { P2M_MMIO, P2M_SPECIAL, P2M_BROKEN };

static enum p2m_error demand(struct fixture *f, gfn_t gfn, struct pod_grant *grant)
{
    return pod_demand_populate(f->locked, &f->pod, gfn, grant);
}

static enum p2m_error demand_alone(struct fixture *f, gfn_t gfn)
{
    struct pod_grant grant;

    return demand(f, gfn, &grant);
}

static enum p2m_error finish(struct fixture *f, const struct pod_grant *grant)
{
    memory_clear(grant->mfn, order_frames(grant->order));
    return pod_finish_populate(f->locked, &f->pod, grant);
}

/* ---- the account ---------------------------------------------------------------------------- */

static void a_guest_without_marks_owes_nothing(void **state)
{
    struct fixture *f = *state;
    struct pod_account account = pod_account(&f->pod);

    expect_account(f, 0, 0, 0);
    assert_int_equal(account.granted, 0);
    assert_false(pod_in_debt(&account));
    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RO));
    expect_account(f, 0, 0, FRAMES_2M);
}

static void entries_are_frames_under_marks_of_any_size(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    must(mark(f, GFN(0x40000), FRAMES_2M));
    must(mark(f, GFN(0x40200), 1));
    expect_account(f, FRAMES_1G + FRAMES_2M + 1, 0, 0);
}

static void what_is_promised_and_not_in_hand_is_the_debt(void **state)
{
    struct fixture *f = *state;
    struct pod_account account;
    struct pod_grant grant;

    must(mark(f, GFN(0), 2 * FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_DIRTY);
    hand(f, mfn_add(RAM, FRAMES_2M), ORDER_2M, POD_CLEAN);
    account = pod_account(&f->pod);
    assert_false(pod_in_debt(&account));
    assert_true(pod_clean_begin(f->locked, &f->pod, &grant));
    account = pod_account(&f->pod);
    assert_int_equal(account.cached, FRAMES_2M);
    assert_int_equal(account.granted, FRAMES_2M);
    assert_false(pod_in_debt(&account)); /* what is being cleared is not owed twice */
    memory_clear(grant.mfn, FRAMES_2M);
    pod_clean_end(f->locked, &f->pod, &grant);
    must(mark(f, GFN(0x40000), 1));
    account = pod_account(&f->pod);
    assert_true(pod_in_debt(&account));
}

/* populated + entries is what it believes it has; populated + cached what it has. */
static void a_populate_moves_frames_and_makes_none(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    hand(f, mfn_add(RAM, 3 * FRAMES_2M), ORDER_4K, POD_CLEAN);
    must(touch(f, GFN(0x12345)));
    expect_account(f, FRAMES_1G - FRAMES_2M, 1, FRAMES_2M);
    must(touch(f, GFN(0)));
    expect_account(f, FRAMES_1G - FRAMES_2M - 1, 0, FRAMES_2M + 1);
}

/* ---- marks ---------------------------------------------------------------------------------- */

static void marks_are_as_large_as_the_range_allows(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x3fdff), 0x402 + FRAMES_1G));
    assert_int_equal(f->p2m.counts.markers[order_size(ORDER_4K)], 2);
    assert_int_equal(f->p2m.counts.markers[order_size(ORDER_2M)], 2);
    assert_int_equal(f->p2m.counts.markers[order_size(ORDER_1G)], 1);
    expect_entry(f, GFN(0x3fdff), INVALID_MFN, ORDER_4K, P2M_POD);
    expect_entry(f, GFN(0x40000), INVALID_MFN, ORDER_1G, P2M_POD);
    expect_account(f, 0x402 + FRAMES_1G, 0, 0);
}

static void marks_that_are_there_stay_and_are_counted_once(void **state)
{
    struct fixture *f = *state;
    struct snapshot before;

    must(mark(f, GFN(0x201), 7));
    must(mark(f, GFN(0), FRAMES_1G));
    expect_account(f, FRAMES_1G, 0, 0);
    before = snapshot_take(f);
    must(mark(f, GFN(0x201), 0x300));
    snapshot_expect_same(f, before);
}

static void nothing_and_marks_may_be_marked_and_nothing_else(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RW, P2M_RAM_RO,  P2M_RAM_HELD,
                                           P2M_MMIO,   P2M_SPECIAL, P2M_BROKEN };
    static const uint64_t places[] = { 0, 0x1ff, 0x234, 0x3ff };
    struct fixture *f = *state;

    for (unsigned type = 0; type < sizeof(types) / sizeof(types[0]); type++) {
        for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            must(set(f, GFN(places[i]), RAM, ORDER_4K, types[type]));
            f->pod.is_sweeping = true; /* so that one may be held */
            f->p2m.holds = 1;
            POD_REFUSED(f, P2M_OCCUPIED, mark(f, GFN(0), 0x400));
            f->pod.is_sweeping = false;
            f->p2m.holds = 0;
            must(set(f, GFN(places[i]), RAM, ORDER_4K, P2M_INVALID));
            pod_settle(f);
        }
    }
}

static void marks_lie_within_the_map(void **state)
{
    struct fixture *f = *state;
    uint64_t end = f->config.end.gfn;

    POD_REFUSED(f, P2M_BAD_RANGE, mark(f, GFN(end - 1), 2));
    POD_REFUSED(f, P2M_BAD_RANGE, mark(f, GFN(end), 1));
    POD_REFUSED(f, P2M_BAD_RANGE, mark(f, GFN(0), UINT64_MAX));
    must(mark(f, GFN(0), end));
    expect_account(f, end, 0, 0);
}

static void tables_that_held_nothing_come_back_when_their_place_is_marked(void **state)
{
    struct fixture *f = *state;
    uint64_t tables;

    must(set(f, GFN(5), RAM, ORDER_4K, P2M_RAM_RW));
    must(set(f, GFN(5), RAM, ORDER_4K, P2M_INVALID));
    pod_settle(f);
    tables = memory_tables_in_use();
    must(mark(f, GFN(0), FRAMES_1G));
    assert_int_equal(memory_tables_in_use(), tables - 2);
}

static void a_mark_that_finds_no_table_page_changes_nothing(void **state)
{
    struct fixture *f = *state;

    for (unsigned nth = 1; nth <= 3; nth++) {
        memory_fail_allocation(nth);
        POD_REFUSED(f, P2M_NO_MEMORY, mark(f, GFN(0x201), 7));
    }
    memory_fail_allocation(4);
    must(mark(f, GFN(0x201), 7));
    expect_account(f, 7, 0, 0);
}

/* ---- populates, by size --------------------------------------------------------------------- */

static void out_of_debt_a_clean_1gb_block_is_one_leaf(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_CLEAN);
    must(touch(f, GFN(0x54321)));
    expect_entry(f, GFN(0x54321), mfn_add(RAM, 0x14321), ORDER_1G, P2M_RAM_RW);
    expect_account(f, 0, 0, FRAMES_1G);
    expect_populates(f, 1, 0, 0);
}

static void in_debt_a_clean_1gb_block_is_512_leaves_that_nobody_has_used(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    must(mark(f, GFN(0x40000), 1));
    hand(f, RAM, ORDER_1G, POD_CLEAN);
    must(touch(f, GFN(0x12345)));
    for (uint64_t gfn = 0; gfn < FRAMES_1G; gfn += FRAMES_2M) {
        expect_entry(f, GFN(gfn), mfn_add(RAM, gfn), ORDER_2M, P2M_RAM_RW);
        assert_false(get(f, GFN(gfn)).accessed || get(f, GFN(gfn)).dirty);
    }
    expect_account(f, 1, 0, FRAMES_1G);
    expect_populates(f, 1, 0, 0);
    must(p2m_merge(f->locked, GFN(0), ORDER_1G, &f->debt));
}

static void in_debt_and_without_a_table_page_it_is_one_leaf(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), 2 * FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_CLEAN);
    memory_fail_allocation(1);
    must(demand_alone(f, GFN(0)));
    memory_fail_allocation(0);
    expect_entry(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW);
    expect_account(f, FRAMES_1G, 0, FRAMES_1G);
}

static void a_1gb_block_that_may_not_be_zero_is_taken_by_2mb(void **state)
{
    struct fixture *f = *state;
    struct pod_grant grant;

    must(mark(f, GFN(0), FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_DIRTY);
    assert_int_equal(demand(f, GFN(0x12345), &grant), P2M_UNCLEAN);
    assert_int_equal(grant.order, ORDER_2M);
    assert_int_equal(grant.gfn.gfn, 0x12200);
    assert_int_equal(pod_account(&f->pod).granted, FRAMES_2M);
    expect_account(f, FRAMES_1G, FRAMES_1G - FRAMES_2M, 0);
    expect_entry(f, GFN(0x12345), INVALID_MFN, ORDER_2M, P2M_POD);
    must(finish(f, &grant));
    expect_entry(f, GFN(0x12345), mfn_add(grant.mfn, 0x145), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0x12400), INVALID_MFN, ORDER_2M, P2M_POD);
    expect_account(f, FRAMES_1G - FRAMES_2M, FRAMES_1G - FRAMES_2M, FRAMES_2M);
    expect_populates(f, 0, 1, 0);
    assert_int_equal(pod_account(&f->pod).granted, 0);
}

static void of_two_1gb_blocks_the_clean_one_is_taken_whole(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), 2 * FRAMES_1G));
    hand(f, RAM, ORDER_1G, POD_CLEAN);
    hand(f, mfn_add(RAM, FRAMES_1G), ORDER_1G, POD_DIRTY);
    must(demand_alone(f, GFN(0)));
    expect_entry(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW);
}

/* Marks of each size are remapped, and tried again. */
static void one_frame_in_hand_is_enough_for_any_mark(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < ORDER_SIZES; i++) {
        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0x40000), order_frames(orders[i])));
        hand(f, RAM, ORDER_4K, POD_CLEAN);
        must(touch(f, GFN(0x40000)));
        expect_entry(f, GFN(0x40000), RAM, ORDER_4K, P2M_RAM_RW);
        expect_account(f, order_frames(orders[i]) - 1, 0, 1);
        expect_populates(f, 0, 0, 1);
        for (unsigned order = 0; order < orders[i]; order += ORDER_STEP)
            expect_entry(f, GFN(0x40000 + order_frames(order)), INVALID_MFN, order, P2M_POD);
    }
}

static void one_2mb_block_in_hand_fills_2mb_of_a_1gb_mark(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    must(touch(f, GFN(0x3ffff)));
    expect_entry(f, GFN(0x3fe00), RAM, ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD);
    expect_populates(f, 0, 1, 0);
}

/* By the policy of PoD, and by what the map may hold. */
static void nothing_larger_is_populated_than_policy_and_map_allow(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2 * ORDER_SIZES; i++) {
        unsigned order = orders[i % ORDER_SIZES];

        f->config.max_order = i < ORDER_SIZES ? ORDER_1G : order;
        pod_restart(f, i < ORDER_SIZES ? order : ORDER_1G);
        must(mark(f, GFN(0), FRAMES_1G));
        hand(f, RAM, ORDER_1G, POD_CLEAN);
        must(touch(f, GFN(0x201)));
        expect_entry(f, GFN(0x201), mfn_add(RAM, 0x201), order, P2M_RAM_RW);
        expect_account(f, FRAMES_1G - order_frames(order), FRAMES_1G - order_frames(order),
                       order_frames(order));
    }
}

/* ---- what may be populated ------------------------------------------------------------------ */

static void a_dry_cache_is_said_to_be_and_nothing_changes(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < ORDER_SIZES; i++) {
        must(mark(f, GFN((uint64_t)i << ORDER_1G), order_frames(orders[i])));
        POD_REFUSED(f, P2M_EMPTY, demand_alone(f, GFN((uint64_t)i << ORDER_1G)));
    }
}

static void what_is_no_mark_is_not_populated(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    POD_REFUSED(f, P2M_BAD_TYPE, demand_alone(f, GFN(0)));
    POD_REFUSED(f, P2M_BAD_TYPE, demand_alone(f, f->config.end));
    POD_REFUSED(f, P2M_BAD_TYPE, demand_alone(f, GFN(UINT64_MAX)));
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        must(set(f, GFN(i), MFN(0x80000 + i), ORDER_4K, others[i]));
        POD_REFUSED(f, P2M_BAD_TYPE, demand_alone(f, GFN(i)));
    }
}

static void ram_that_is_there_is_left_alone(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RW, P2M_RAM_RO };
    struct fixture *f = *state;

    must(mark(f, GFN(0x40000), FRAMES_2M));
    hand(f, RAM, ORDER_2M, POD_CLEAN);
    for (unsigned i = 0; i < 2; i++) {
        must(set(f, GFN(i), MFN(0x80000 + i), ORDER_4K, types[i]));
        POD_REFUSED(f, P2M_OK, demand_alone(f, GFN(i)));
    }
}

/* ---- what is populated ---------------------------------------------------------------------- */

static void what_is_populated_reads_as_zero_and_is_fresh(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2 * ORDER_SIZES; i++) {
        enum pod_clean clean = i % 2 ? POD_CLEAN : POD_DIRTY;
        unsigned order = orders[i / 2];
        struct p2m_entry entry;

        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), order_frames(order)));
        hand(f, RAM, order, clean);
        must(touch(f, GFN(0)));
        entry = get(f, GFN(0));
        assert_false(entry.accessed || entry.dirty);
        assert_true(memory_is_zero(entry.mfn, order_frames(entry.order)));
        assert_int_equal(guest_read(f, GFN(0)), 0);
        guest_write(f, GFN(0), 42);
        assert_true(get(f, GFN(0)).dirty);
        assert_int_equal(guest_read(f, GFN(0)), 42);
    }
}

/* Frames of a region are taken at its offsets, and beside each other: then it can be one leaf. */
static void a_region_that_was_filled_by_frames_can_be_one_leaf(void **state)
{
    struct fixture *f = *state;

    pod_restart(f, ORDER_4K);
    for (uint64_t region = 0; region < 2; region++) {
        gfn_t gfn = GFN(region * FRAMES_1G);

        must(mark(f, gfn, FRAMES_2M));
        hand(f, mfn_add(RAM, 8 * region * FRAMES_2M), ORDER_2M, region ? POD_CLEAN : POD_DIRTY);
        for (uint64_t i = 0; i < FRAMES_2M; i++) /* 211 is prime to 512: all offsets, no order */
            must(touch(f, gfn_add(gfn, (i + 7) * 211 % FRAMES_2M)));
        must(p2m_merge(f->locked, gfn, ORDER_2M, &f->debt));
        pod_settle(f);
    }
    expect_populates(f, 0, 0, 2 * FRAMES_2M);
}

/* Of two blocks that both have the place, that of the neighbour, on whichever side it is: else a
 * later merge is luck. */
static void what_is_populated_lies_beside_its_neighbour(void **state)
{
    struct fixture *f = *state;
    mfn_t first = RAM, second = mfn_add(RAM, FRAMES_1G);

    pod_restart(f, ORDER_1G);
    must(mark(f, GFN(0), FRAMES_1G));
    for (uint64_t i = 2; i <= 5; i++)
        hand(f, mfn_add(first, i * FRAMES_2M), ORDER_2M, POD_CLEAN);
    for (uint64_t i = 2; i <= 5; i++)
        if (i != 3)
            hand(f, mfn_add(second, i * FRAMES_2M), ORDER_2M, POD_CLEAN);
    for (unsigned i = 0; i < 4; i++) {
        static const uint64_t touches[] = { 3, 4, 2, 5 };
        gfn_t gfn = GFN(touches[i] * FRAMES_2M);

        must(touch(f, gfn));
        expect_entry(f, gfn, mfn_add(first, gfn.gfn), ORDER_2M, P2M_RAM_RW);
    }
}

/* ---- no table page -------------------------------------------------------------------------- */

static void a_populate_that_finds_no_table_page_changes_nothing(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    hand(f, RAM, ORDER_4K, POD_CLEAN);
    hand(f, mfn_add(RAM, 1), ORDER_4K, POD_CLEAN);
    for (unsigned nth = 1; nth <= 2; nth++) {
        memory_fail_allocation(nth);
        POD_REFUSED(f, P2M_NO_MEMORY, demand_alone(f, GFN(0x777)));
    }
    memory_fail_allocation(3);
    must(demand_alone(f, GFN(0x777)));
}

static void the_last_frame_in_hand_survives_a_lack_of_table_pages(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i < ORDER_SIZES; i++) {
        pod_restart(f, orders[i] - ORDER_STEP);
        must(mark(f, GFN(0), FRAMES_1G));
        hand(f, RAM, orders[i] - ORDER_STEP, POD_CLEAN);
        memory_fail_allocation(1);
        POD_REFUSED(f, P2M_NO_MEMORY, demand_alone(f, GFN(0x777)));
        memory_fail_allocation(0);
        must(demand_alone(f, GFN(0x777)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(a_guest_without_marks_owes_nothing),
        POD_FOR_BOTH_FORMATS(entries_are_frames_under_marks_of_any_size),
        POD_FOR_BOTH_FORMATS(what_is_promised_and_not_in_hand_is_the_debt),
        POD_FOR_BOTH_FORMATS(a_populate_moves_frames_and_makes_none),
        POD_FOR_BOTH_FORMATS(marks_are_as_large_as_the_range_allows),
        POD_FOR_BOTH_FORMATS(marks_that_are_there_stay_and_are_counted_once),
        POD_FOR_BOTH_FORMATS(nothing_and_marks_may_be_marked_and_nothing_else),
        POD_FOR_BOTH_FORMATS(marks_lie_within_the_map),
        POD_FOR_BOTH_FORMATS(tables_that_held_nothing_come_back_when_their_place_is_marked),
        POD_FOR_BOTH_FORMATS(a_mark_that_finds_no_table_page_changes_nothing),
        POD_FOR_BOTH_FORMATS(out_of_debt_a_clean_1gb_block_is_one_leaf),
        POD_FOR_BOTH_FORMATS(in_debt_a_clean_1gb_block_is_512_leaves_that_nobody_has_used),
        POD_FOR_BOTH_FORMATS(in_debt_and_without_a_table_page_it_is_one_leaf),
        POD_FOR_BOTH_FORMATS(a_1gb_block_that_may_not_be_zero_is_taken_by_2mb),
        POD_FOR_BOTH_FORMATS(of_two_1gb_blocks_the_clean_one_is_taken_whole),
        POD_FOR_BOTH_FORMATS(one_frame_in_hand_is_enough_for_any_mark),
        POD_FOR_BOTH_FORMATS(one_2mb_block_in_hand_fills_2mb_of_a_1gb_mark),
        POD_FOR_BOTH_FORMATS(nothing_larger_is_populated_than_policy_and_map_allow),
        POD_FOR_BOTH_FORMATS(a_dry_cache_is_said_to_be_and_nothing_changes),
        POD_FOR_BOTH_FORMATS(what_is_no_mark_is_not_populated),
        POD_FOR_BOTH_FORMATS(ram_that_is_there_is_left_alone),
        POD_FOR_BOTH_FORMATS(what_is_populated_reads_as_zero_and_is_fresh),
        POD_FOR_BOTH_FORMATS(a_region_that_was_filled_by_frames_can_be_one_leaf),
        POD_FOR_BOTH_FORMATS(what_is_populated_lies_beside_its_neighbour),
        POD_FOR_BOTH_FORMATS(a_populate_that_finds_no_table_page_changes_nothing),
        POD_FOR_BOTH_FORMATS(the_last_frame_in_hand_survives_a_lack_of_table_pages),
    };

    return cmocka_run_group_tests_name("pod", tests, NULL, NULL);
}
