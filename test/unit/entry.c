/* SPDX-License-Identifier: MIT */
/*
 * p2m/entry.c: the funnel, the counts that follow it, and the records of tables.
 */
#include "fixture.h"

#include "p2m/table.h"

#define RAM MFN(0x80000)

static const struct pt_format *format_of(const struct fixture *fixture)
{
    return fixture->config.format;
}

/* ---- the funnel ----------------------------------------------------------------------------- */

/* A slot of a table of 4 KB entries with room to try things in. */
static struct slot make_table(struct fixture *fixture)
{
    must(set(fixture, GFN(0), RAM, ORDER_4K, P2M_RAM_RW));
    return table_find(&fixture->p2m, GFN(0x100), 0);
}

static struct p2m_table_info *info_of(struct fixture *fixture, struct slot slot)
{
    return p2m_host_table_info(&fixture->p2m, slot_table(&fixture->p2m, slot));
}

static void the_funnel_moves_the_counts_with_the_entry(void **state)
{
    struct fixture *f = *state;
    struct slot slot = make_table(f);
    struct p2m_table_info *info = info_of(f, slot);
    uint64_t old = 0;

    assert_true(
        entry_change(&f->p2m, slot, &old, entry_make(format_of(f), INVALID_MFN, P2M_POD, 0)));
    assert_int_equal(f->p2m.counts.markers[0], 1);
    assert_int_equal(info->markers, 1);
    expect_sound(f);
    entry_exchange(&f->p2m, slot, entry_make(format_of(f), MFN(9), P2M_MMIO, 0));
    assert_int_equal(f->p2m.counts.markers[0], 0);
    assert_int_equal(f->p2m.counts.other[0], 1);
    assert_int_equal(info->other, 1);
    expect_sound(f);
    entry_exchange(&f->p2m, slot, 0);
    assert_int_equal(f->p2m.counts.other[0], 0);
    assert_int_equal(info->ram, 1);
    expect_sound(f);
}

static void the_funnel_refuses_what_has_moved_and_says_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct slot slot = make_table(f);
    uint64_t leaf = entry_make(format_of(f), MFN(7), P2M_RAM_RW, 0), old = leaf;

    entry_exchange(&f->p2m, slot, leaf);
    *slot.entry |= format_of(f)->dirty; /* as a processor would */
    assert_false(entry_change(&f->p2m, slot, &old, 0));
    assert_int_equal(old, leaf | format_of(f)->dirty);
    assert_int_equal(f->p2m.counts.ram[0], 2);
    assert_int_equal(entry_exchange(&f->p2m, slot, 0), leaf | format_of(f)->dirty);
    assert_int_equal(f->p2m.counts.ram[0], 1);
}

static void bits_that_the_processor_sets_move_no_count(void **state)
{
    struct fixture *f = *state;
    struct slot slot = make_table(f);
    struct p2m_table_info before;
    uint64_t old;

    entry_exchange(&f->p2m, slot, entry_make(format_of(f), MFN(7), P2M_RAM_RW, 0));
    before = *info_of(f, slot);
    old = slot_read(slot);
    assert_true(entry_change(&f->p2m, slot, &old, old | entry_volatile(format_of(f))));
    assert_memory_equal(&before, info_of(f, slot), sizeof(before));
    expect_sound(f);
}

static void joined_neighbours_are_counted_at_the_edges_too(void **state)
{
    struct fixture *f = *state;
    struct slot slot = make_table(f);
    struct p2m_table_info *info = info_of(f, slot);
    mfn_t table = slot_table(&f->p2m, slot);
    static const unsigned order_of_filling[] = { 511, 0, 510, 1, 255, 256 };

    entry_exchange(&f->p2m, table_slot(&f->p2m, table, 0, GFN(0)), 0);
    assert_int_equal(info->joined, 511);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t index = order_of_filling[i];

        entry_exchange(&f->p2m, table_slot(&f->p2m, table, 0, GFN(index)),
                       entry_make(format_of(f), mfn_add(RAM, index), P2M_RAM_RW, 0));
        assert_int_equal(info->joined, table_recount(&f->p2m, table, 0).joined);
    }
    assert_int_equal(info->joined, 511 - 6 + 2);
    for (unsigned index = 0; index < TABLE_ENTRIES; index++)
        entry_exchange(&f->p2m, table_slot(&f->p2m, table, 0, GFN(index)),
                       entry_make(format_of(f), mfn_add(RAM, index), P2M_RAM_RW, 0));
    assert_int_equal(info->joined, 511);
    assert_int_equal(info->ram, 512);
}

static void a_filled_table_and_its_record_agree(void **state)
{
    struct fixture *f = *state;
    mfn_t table = p2m_host_alloc_table(&f->p2m);
    const uint64_t entries[] = { 0, entry_make(format_of(f), RAM, P2M_RAM_RW, 1),
                                 entry_make(format_of(f), RAM, P2M_POD, 1),
                                 entry_make(format_of(f), RAM, P2M_SPECIAL, 1) };

    for (unsigned i = 0; i < 4; i++) {
        struct p2m_table_info recounted;

        entry_fill_table(&f->p2m, table, entries[i], 1);
        recounted = table_recount(&f->p2m, table, 0);
        assert_memory_equal(p2m_host_table_info(&f->p2m, table), &recounted, sizeof(recounted));
        assert_int_equal(recounted.joined, 511);
    }
    p2m_host_free_table(&f->p2m, table);
}

static void an_entry_counts_for_all_that_hangs_below(void **state)
{
    struct fixture *f = *state;
    struct p2m_counts counts;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    must(p2m_split(f->locked, GFN(0x20000), ORDER_4K));
    must(set(f, GFN(0x40000), RAM, ORDER_2M, P2M_POD));
    counts = entry_counts(&f->p2m, entry_make_table(format_of(f), f->p2m.root), LEVELS);
    assert_memory_equal(&counts, &f->p2m.counts, sizeof(counts));
    assert_int_equal(counts.ram[0], 1024);
    assert_int_equal(counts.ram[1], 510);
    assert_int_equal(counts.markers[1], 1);
    assert_int_equal(counts.tables, 6);
    counts = entry_counts(&f->p2m, entry_make(format_of(f), RAM, P2M_RAM_RW, 2), 2);
    assert_int_equal(counts.ram[2], 1);
    assert_int_equal(counts.tables, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(the_funnel_moves_the_counts_with_the_entry),
        FOR_BOTH_FORMATS(the_funnel_refuses_what_has_moved_and_says_what_is_there),
        FOR_BOTH_FORMATS(bits_that_the_processor_sets_move_no_count),
        FOR_BOTH_FORMATS(joined_neighbours_are_counted_at_the_edges_too),
        FOR_BOTH_FORMATS(a_filled_table_and_its_record_agree),
        FOR_BOTH_FORMATS(an_entry_counts_for_all_that_hangs_below),
    };

    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
