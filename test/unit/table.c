/* SPDX-License-Identifier: MIT */
/*
 * p2m/table.c: find, the reserve, one step down, merge, and what a dead table still has to say.
 */
#include "fixture.h"

#include "p2m/table.h"

#define RAM MFN(0x80000)

/* ---- find ----------------------------------------------------------------------------------- */

static void find_stops_at_the_deepest_entry_or_at_the_level(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(table_find(&f->p2m, GFN(0), 0).level, ROOT_LEVEL);
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(0x40000), RAM, ORDER_4K, P2M_POD));
    assert_int_equal(table_find(&f->p2m, GFN(0x3ffff), 0).level, 2);
    assert_int_equal(table_find(&f->p2m, GFN(0x401ff), 0).level, 0);
    assert_int_equal(table_find(&f->p2m, GFN(0x401ff), 1).level, 1);
    assert_int_equal(table_find(&f->p2m, GFN(0x40200), 0).level, 1);
    assert_int_equal(slot_table(&f->p2m, table_find(&f->p2m, GFN(0x40000), ROOT_LEVEL)).mfn,
                     f->p2m.root.mfn);
    assert_int_equal(slot_index(&f->p2m, table_find(&f->p2m, GFN(0x401ff), 0)), 0x1ff);
    assert_int_equal(slot_index(&f->p2m, table_find(&f->p2m, GFN(0x401ff), 1)), 0);
}

/* ---- the reserve ---------------------------------------------------------------------------- */

static void a_reserve_is_taken_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;

    must(table_reserve(f->locked, 5));
    assert_int_equal(f->p2m.reserve_count, 5);
    assert_int_equal(memory_tables_in_use(), 6);
    table_unreserve(f->locked);
    assert_int_equal(memory_tables_in_use(), 1);
    memory_fail_allocation(5);
    assert_int_equal(table_reserve(f->locked, 5), P2M_NO_MEMORY);
    assert_int_equal(f->p2m.reserve_count, 0);
    assert_int_equal(memory_tables_in_use(), 1);
    must(table_reserve(f->locked, 0));
}

static void a_reserve_stays_within_the_quota(void **state)
{
    struct fixture *f = *state;

    f->p2m.config.table_quota = 4;
    must(table_reserve(f->locked, 3));
    table_unreserve(f->locked);
    assert_int_equal(table_reserve(f->locked, 4), P2M_NO_MEMORY);
    assert_int_equal(table_reserve(f->locked, UINT64_MAX), P2M_NO_MEMORY);
    f->p2m.config.table_quota = 0;
    assert_int_equal(table_reserve(f->locked, 1), P2M_NO_MEMORY);
    f->p2m.config.table_quota = 4;
}

static void unlocking_with_a_reserve_is_an_assert(void **state)
{
    struct fixture *f = *state;

    must(table_reserve(f->locked, 1));
    EXPECT_ASSERT(p2m_unlock(f->locked));
    table_unreserve(f->locked);
}

/* ---- down ----------------------------------------------------------------------------------- */

static void one_step_down_splits_one_level_on_the_path(void **state)
{
    struct fixture *f = *state;
    struct slot slot;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    processor_access(&f->processor, GFN(3), ACCESS_WRITE);
    must(table_reserve(f->locked, 2));
    slot = p2m_next_level(f->locked, table_find(&f->p2m, GFN(0x12345), 2), GFN(0x12345));
    assert_int_equal(slot.level, 1);
    assert_int_equal(slot_index(&f->p2m, slot), 0x12345 >> 9 & 511);
    assert_int_equal(f->p2m.counts.ram[1], 512);
    slot = p2m_next_level(f->locked, slot, GFN(0x12345));
    assert_int_equal(slot.level, 0);
    assert_int_equal(slot_index(&f->p2m, slot), 0x12345 & 511);
    assert_int_equal(f->p2m.counts.ram[1], 511);
    assert_int_equal(f->p2m.counts.ram[0], 512);
    expect_entry(f, GFN(0x12345), mfn_add(RAM, 0x12345), ORDER_4K, P2M_RAM_RW);
    assert_true(get(f, GFN(0x12345)).dirty);
    assert_int_equal(f->p2m.reserve_count, 0);
}

static void a_step_into_a_table_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct slot slot;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    slot = p2m_next_level(f->locked, table_find(&f->p2m, GFN(0), 2), GFN(0));
    assert_int_equal(slot.level, 1);
    assert_int_equal(f->p2m.events.splits[2], 0);
}

static void a_step_without_a_reserve_is_an_assert(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    EXPECT_ASSERT(p2m_next_level(f->locked, table_find(&f->p2m, GFN(0), 2), GFN(0)));
}

static void reach_makes_the_whole_path(void **state)
{
    struct fixture *f = *state;
    struct slot top = table_find(&f->p2m, GFN(0x12345), 0);

    must(table_reserve(f->locked, 3));
    assert_int_equal(table_reach(f->locked, top, GFN(0x12345), 0).level, 0);
    assert_int_equal(f->p2m.counts.tables, 4);
    assert_int_equal(f->p2m.events.splits[2] + f->p2m.events.splits[1], 0); /* of nothing */
    expect_entry(f, GFN(0x12345), INVALID_MFN, ORDER_4K, P2M_INVALID);
}

/* ---- up ------------------------------------------------------------------------------------- */

static void a_dead_table_stays_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct p2m_debt *debt = &f->debt;
    uint64_t first, last;
    mfn_t table;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    table = slot_table(&f->p2m, table_find(&f->p2m, GFN(0), 0));
    first = table_entries(&f->p2m, table)[0];
    last = table_entries(&f->p2m, table)[511];
    must(p2m_merge(f->locked, GFN(0), ORDER_2M, debt));
    assert_int_equal(debt->owed[debt->count - 1].table.mfn, table.mfn);
    assert_int_equal(table_entries(&f->p2m, table)[0], first);
    assert_int_equal(table_entries(&f->p2m, table)[511], last);
    assert_true(memory_is_table(table));
    assert_int_equal(table_volatile_bits(&f->p2m, table), 0);
    table_entries(&f->p2m, table)[300] |= f->config.format->dirty;
    assert_int_equal(table_volatile_bits(&f->p2m, table), f->config.format->dirty);
    fixture_settle(f);
    assert_false(memory_is_table(table));
    assert_true(get(f, GFN(300)).dirty);
}

static void only_tables_can_be_alike(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    assert_false(table_is_alike(&f->p2m, table_find(&f->p2m, GFN(0), 2)));
    assert_false(table_is_alike(&f->p2m, table_find(&f->p2m, GFN(0x80000), 2)));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    assert_true(table_is_alike(&f->p2m, table_find(&f->p2m, GFN(0), 1)));
    assert_false(table_is_alike(&f->p2m, table_find(&f->p2m, GFN(0), 2)));
    assert_false(table_is_alike(&f->p2m, table_find(&f->p2m, GFN(0), 0)));
}

static void a_lent_page_counts_against_the_quota(void **state)
{
    struct fixture *f = *state;
    mfn_t page;

    f->config.table_quota = 3;
    fixture_restart(f);
    page = table_lend(f->locked);
    assert_true(memory_is_table(page));
    assert_int_equal(table_reserve(f->locked, 2), P2M_NO_MEMORY);
    must(table_reserve(f->locked, 1));
    assert_false(mfn_is_valid(table_lend(f->locked)));
    table_unreserve(f->locked);
    memory_fail_allocation(1);
    assert_false(mfn_is_valid(table_lend(f->locked)));
    assert_int_equal(f->p2m.lent_pages, 1);
    table_take_back(f->locked, page);
    assert_int_equal(f->p2m.lent_pages, 0);
    must(table_reserve(f->locked, 2));
    table_unreserve(f->locked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(find_stops_at_the_deepest_entry_or_at_the_level),
        FOR_BOTH_FORMATS(a_reserve_is_taken_whole_or_not_at_all),
        FOR_BOTH_FORMATS(a_reserve_stays_within_the_quota),
        FOR_BOTH_FORMATS(unlocking_with_a_reserve_is_an_assert),
        FOR_BOTH_FORMATS(one_step_down_splits_one_level_on_the_path),
        FOR_BOTH_FORMATS(a_step_into_a_table_takes_nothing),
        FOR_BOTH_FORMATS(a_step_without_a_reserve_is_an_assert),
        FOR_BOTH_FORMATS(reach_makes_the_whole_path),
        FOR_BOTH_FORMATS(a_dead_table_stays_as_it_was),
        FOR_BOTH_FORMATS(only_tables_can_be_alike),
        FOR_BOTH_FORMATS(a_lent_page_counts_against_the_quota),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
