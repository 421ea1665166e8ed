/* SPDX-License-Identifier: MIT */
/*
 * p2m/audit.c: every complaint, provoked by hand: an audit that finds nothing must be one that
 * would have.
 */
#include "fixture.h"

#include <string.h>

#include "p2m/table.h"

#define RAM    MFN(0x80000)
#define VICTIM GFN(0x201) /* mapped by 4 KB */

static void make_map(struct fixture *f)
{
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, VICTIM, ORDER_4K));
    must(set(f, GFN(0x40000), INVALID_MFN, ORDER_1G, P2M_POD));
    must(p2m_split(f->locked, GFN(0x40000), ORDER_2M));
    expect_sound(f);
}

static bool complains_of(struct fixture *fixture, const char *what)
{
    struct p2m_audit report = audit(fixture);

    for (unsigned i = 0; i < report.errors && i < P2M_AUDIT_DETAILS; i++)
        if (strcmp(report.detail[i].what, what) == 0)
            return true;
    return false;
}

/* Put `entry` where gfn's is at this level, listen, and put the old one back. */
static void expect_complaint(struct fixture *fixture, gfn_t gfn, unsigned level, uint64_t entry,
                             const char *what)
{
    pte_t *at = table_find(&fixture->p2m, gfn, level).entry;
    uint64_t before = *at;

    *at = entry;
    if (!complains_of(fixture, what))
        fail_msg("no complaint \"%s\"", what);
    *at = before;
    expect_sound(fixture);
}

static uint64_t entry_at(const struct fixture *fixture, gfn_t gfn, unsigned level)
{
    return *table_find(&fixture->p2m, gfn, level).entry;
}

/* ---- entries -------------------------------------------------------------------------------- */

static void an_entry_of_no_type_is_malformed(void **state)
{
    struct fixture *f = *state;
    uint64_t entry;

    make_map(f);
    entry = entry_at(f, VICTIM, 0);
    expect_complaint(f, VICTIM, 0, entry | PTE_TYPE, "malformed entry");
    expect_complaint(f, VICTIM, 0, entry & ~PTE_TYPE, "malformed entry");
}

static void rights_that_do_not_fit_the_type_are_malformed(void **state)
{
    struct fixture *f = *state;
    uint64_t read_only;

    make_map(f);
    read_only = entry_make(f->config.format, RAM, P2M_RAM_RO, 0) & ~PTE_TYPE;
    expect_complaint(f, VICTIM, 0, read_only | (uint64_t)P2M_RAM_RW << PTE_TYPE_SHIFT,
                     "malformed entry");
}

static void a_mark_with_an_address_is_malformed(void **state)
{
    struct fixture *f = *state;
    uint64_t mark = (uint64_t)P2M_POD << PTE_TYPE_SHIFT;

    make_map(f);
    expect_complaint(f, VICTIM, 0, mark | RAM.mfn << FRAME_SHIFT, "malformed entry");
    expect_complaint(f, GFN(0x40000), 1, mark | RAM.mfn << FRAME_SHIFT, "malformed entry");
    expect_complaint(f, VICTIM, 0, RAM.mfn << FRAME_SHIFT, "malformed entry");
}

static void a_mark_with_bits_that_only_leaves_have_is_malformed(void **state)
{
    struct fixture *f = *state;
    uint64_t mark = (uint64_t)P2M_POD << PTE_TYPE_SHIFT;

    make_map(f);
    expect_complaint(f, VICTIM, 0, mark | f->config.format->dirty, "malformed entry");
    expect_complaint(f, VICTIM, 0, mark | f->config.format->accessed, "malformed entry");
}

static void a_leaf_must_be_aligned(void **state)
{
    struct fixture *f = *state;

    make_map(f);
    expect_complaint(f, GFN(0x400), 1, entry_make(f->config.format, mfn_add(RAM, 1), P2M_RAM_RW, 1),
                     "misaligned leaf");
    expect_complaint(f, GFN(0x80000), 2, entry_make(f->config.format, MFN(512), P2M_RAM_RW, 2),
                     "misaligned leaf");
}

static void a_leaf_must_not_be_larger_than_allowed(void **state)
{
    struct fixture *f = *state;

    f->config.max_order = ORDER_2M;
    fixture_restart(f);
    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    expect_complaint(f, GFN(0x40000), 2, entry_make(f->config.format, RAM, P2M_RAM_RW, 2),
                     "leaf larger than allowed");
    expect_complaint(f, GFN((uint64_t)1 << 27), 3, entry_make(f->config.format, RAM, P2M_RAM_RW, 3),
                     "leaf larger than allowed");
}

static void a_mark_ends_at_1_gb(void **state)
{
    struct fixture *f = *state;

    make_map(f);
    expect_complaint(f, GFN((uint64_t)1 << 27), 3, (uint64_t)P2M_POD << PTE_TYPE_SHIFT,
                     "mark above 1 GB");
}

static void nothing_is_mapped_beyond_the_end(void **state)
{
    struct fixture *f = *state;
    gfn_t beyond = GFN(f->config.end.gfn & ~0x3ffffull);

    make_map(f);
    expect_complaint(f, beyond, 2, entry_make(f->config.format, RAM, P2M_RAM_RW, 2),
                     "mapped beyond the end");
    expect_complaint(f, beyond, 2, (uint64_t)P2M_POD << PTE_TYPE_SHIFT, "mapped beyond the end");
}

static void a_table_entry_holds_nothing_else(void **state)
{
    struct fixture *f = *state;
    uint64_t table;

    make_map(f);
    table = entry_at(f, VICTIM, 1);
    expect_complaint(f, VICTIM, 1, table | (uint64_t)P2M_RAM_RW << PTE_TYPE_SHIFT,
                     "malformed table entry");
    expect_complaint(f, VICTIM, 1, table ^ (uint64_t)2, "malformed table entry"); /* no writes */
}

static void what_the_processor_sets_is_no_fault(void **state)
{
    struct fixture *f = *state;

    make_map(f);
    for (uint64_t gfn = 0; gfn < 0x40000; gfn += 0x1ff)
        processor_access(&f->processor, GFN(gfn), ACCESS_WRITE);
    expect_sound(f);
}

/* ---- records and counts --------------------------------------------------------------------- */

static void a_record_that_miscounts_is_found(void **state)
{
    struct fixture *f = *state;
    struct p2m_table_info *info, before;

    make_map(f);
    info = p2m_host_table_info(&f->p2m, slot_table(&f->p2m, table_find(&f->p2m, VICTIM, 0)));
    before = *info;
    info->ram++;
    assert_true(complains_of(f, "table record miscounts its entries"));
    *info = before;
    info->markers++;
    assert_true(complains_of(f, "table record miscounts its entries"));
    *info = before;
    info->other++;
    assert_true(complains_of(f, "table record miscounts its entries"));
    *info = before;
    info->tables++;
    assert_true(complains_of(f, "table record miscounts its entries"));
    *info = before;
    info->joined--;
    assert_true(complains_of(f, "table record miscounts its joined neighbours"));
    *info = before;
}

static void the_root_s_record_is_audited_too(void **state)
{
    struct fixture *f = *state;

    make_map(f);
    p2m_host_table_info(&f->p2m, f->p2m.root)->tables++;
    assert_true(complains_of(f, "table record miscounts its entries"));
    p2m_host_table_info(&f->p2m, f->p2m.root)->tables--;
}

static void a_count_of_the_map_that_is_wrong_is_found(void **state)
{
    struct fixture *f = *state;
    uint64_t *counts = (uint64_t *)&f->p2m.counts;

    make_map(f);
    for (unsigned i = 0; i < sizeof(f->p2m.counts) / sizeof(uint64_t); i++) {
        counts[i]++;
        assert_true(complains_of(f, "counts of the map differ from a recount"));
        counts[i]--;
    }
}

static void the_recount_is_reported(void **state)
{
    struct fixture *f = *state;
    struct p2m_audit report;

    make_map(f);
    report = audit(f);
    assert_memory_equal(&report.recounted, &f->p2m.counts, sizeof(report.recounted));
    assert_int_equal(report.recounted.ram[0], 512);
    assert_int_equal(report.recounted.ram[1], 511);
    assert_int_equal(report.recounted.markers[1], 512);
    assert_int_equal(report.recounted.tables, 5);
}

static void a_reserve_left_between_verbs_is_found(void **state)
{
    struct fixture *f = *state;

    must(table_reserve(f->locked, 2));
    assert_true(complains_of(f, "table pages left in the reserve between verbs"));
    table_unreserve(f->locked);
}

static void a_pin_without_a_frame_is_found(void **state)
{
    struct fixture *f = *state;

    make_map(f);
    must(p2m_pin(f->locked, VICTIM));
    f->p2m.pin[0] = GFN(0x40000);
    assert_true(complains_of(f, "pinned, and no frame there"));
    f->p2m.pin[0] = VICTIM;
    p2m_unpin(f->locked, VICTIM);
}

static void all_errors_are_counted_and_the_first_few_told(void **state)
{
    struct fixture *f = *state;
    pte_t *entries;
    struct p2m_audit report;

    make_map(f);
    entries = table_entries(&f->p2m, slot_table(&f->p2m, table_find(&f->p2m, VICTIM, 0)));
    for (unsigned index = 0; index < 10; index++)
        entries[index] |= PTE_TYPE;
    report = audit(f);
    assert_int_equal(report.errors, 10 + 3); /* two of the record, one of the counts */
    for (unsigned i = 0; i < P2M_AUDIT_DETAILS; i++) {
        assert_int_equal(report.detail[i].gfn.gfn, 0x200 + i);
        assert_int_equal(report.detail[i].order, ORDER_4K);
    }
    for (unsigned index = 0; index < 10; index++)
        entries[index] = (entries[index] & ~PTE_TYPE) | (uint64_t)P2M_RAM_RW << PTE_TYPE_SHIFT;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(an_entry_of_no_type_is_malformed),
        FOR_BOTH_FORMATS(rights_that_do_not_fit_the_type_are_malformed),
        FOR_BOTH_FORMATS(a_mark_with_an_address_is_malformed),
        FOR_BOTH_FORMATS(a_mark_with_bits_that_only_leaves_have_is_malformed),
        FOR_BOTH_FORMATS(a_leaf_must_be_aligned),
        FOR_BOTH_FORMATS(a_leaf_must_not_be_larger_than_allowed),
        FOR_BOTH_FORMATS(a_mark_ends_at_1_gb),
        FOR_BOTH_FORMATS(nothing_is_mapped_beyond_the_end),
        FOR_BOTH_FORMATS(a_table_entry_holds_nothing_else),
        FOR_BOTH_FORMATS(what_the_processor_sets_is_no_fault),
        FOR_BOTH_FORMATS(a_record_that_miscounts_is_found),
        FOR_BOTH_FORMATS(the_root_s_record_is_audited_too),
        FOR_BOTH_FORMATS(a_count_of_the_map_that_is_wrong_is_found),
        FOR_BOTH_FORMATS(the_recount_is_reported),
        FOR_BOTH_FORMATS(a_reserve_left_between_verbs_is_found),
        FOR_BOTH_FORMATS(a_pin_without_a_frame_is_found),
        FOR_BOTH_FORMATS(all_errors_are_counted_and_the_first_few_told),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
