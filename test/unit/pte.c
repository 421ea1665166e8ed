/* SPDX-License-Identifier: MIT */
/*
 * p2m/pte.c: what an entry says, its pieces, and what joins what.
 */
#include "fixture.h"

#include "p2m/pte.h"

#define RAM MFN(0x80000)

static const struct pt_format *format_of(const struct fixture *fixture)
{
    return fixture->config.format;
}

static void an_entry_says_what_it_was_made_of(void **state)
{
    const struct pt_format *format = format_of(*state);

    for (unsigned type = 0; type < P2M_TYPE_COUNT; type++) {
        for (unsigned level = 0; level < ORDER_SIZES; level++) {
            uint64_t entry = entry_make(format, RAM, type, level);
            enum entry_kind kind = ENTRY_MARK;

            if (type == P2M_INVALID)
                kind = ENTRY_EMPTY;
            else if (p2m_type_rights(type))
                kind = ENTRY_LEAF;
            assert_int_equal(entry_kind(format, entry, level), kind);
            assert_int_equal(entry_type(entry), type);
            assert_int_equal(entry_mfn(entry).mfn, kind == ENTRY_LEAF ? RAM.mfn : 0);
        }
    }
}

static void a_table_entry_is_a_table_at_every_level_but_the_lowest(void **state)
{
    const struct pt_format *format = format_of(*state);
    uint64_t entry = entry_make_table(format, MFN(0x123));

    for (unsigned level = 1; level < LEVELS; level++)
        assert_int_equal(entry_kind(format, entry, level), ENTRY_TABLE);
    assert_int_equal(entry_mfn(entry).mfn, 0x123);
}

static void pieces_follow_each_other_and_keep_every_bit(void **state)
{
    const struct pt_format *format = format_of(*state);
    uint64_t large = entry_make(format, RAM, P2M_RAM_RO, 2) | format->dirty | format->accessed;

    for (unsigned index = 0; index < TABLE_ENTRIES; index++) {
        uint64_t middle = entry_piece(format, large, 2, index);
        uint64_t small = entry_piece(format, middle, 1, index);

        assert_int_equal(entry_kind(format, middle, 1), ENTRY_LEAF);
        assert_int_equal(entry_kind(format, small, 0), ENTRY_LEAF);
        assert_int_equal(entry_mfn(middle).mfn, RAM.mfn + 512 * index);
        assert_int_equal(entry_mfn(small).mfn, RAM.mfn + 513 * index);
        assert_int_equal(small & ~PTE_ADDRESS, (large & ~PTE_ADDRESS) & ~format->superpage);
        assert_int_equal(middle & ~PTE_ADDRESS, large & ~PTE_ADDRESS);
    }
}

static void pieces_of_marks_are_the_mark(void **state)
{
    const struct pt_format *format = format_of(*state);
    uint64_t mark = entry_make(format, INVALID_MFN, P2M_POD, 2);

    assert_int_equal(entry_piece(format, mark, 2, 300), mark);
    assert_int_equal(entry_piece(format, 0, 2, 300), 0);
}

static void leaves_join_where_the_frames_go_on(void **state)
{
    const struct pt_format *format = format_of(*state);

    for (unsigned level = 0; level < ORDER_SIZES; level++) {
        mfn_t next = mfn_add(RAM, order_frames(level_order(level)));
        uint64_t first = entry_make(format, RAM, P2M_RAM_RW, level);
        uint64_t second = entry_make(format, next, P2M_RAM_RW, level);

        assert_true(entry_joins(format, first, second, level));
        assert_true(entry_joins(format, first | format->dirty, second | format->accessed, level));
        assert_false(entry_joins(format, second, first, level));
        assert_false(entry_joins(format, first, first, level));
        assert_true(entry_joins(format, first, second | PTE_WRITTEN, level));
        assert_false(
            entry_joins(format, first, entry_make(format, next, P2M_RAM_RO, level), level));
        assert_false(entry_joins(format, first, 0, level));
        assert_false(entry_joins(format, 0, first, level));
    }
}

static void marks_join_their_like_and_tables_join_nothing(void **state)
{
    const struct pt_format *format = format_of(*state);
    uint64_t pod = entry_make(format, RAM, P2M_POD, 1), table = entry_make_table(format, MFN(5));

    assert_true(entry_joins(format, pod, pod, 1));
    assert_true(entry_joins(format, 0, 0, 1));
    assert_false(entry_joins(format, pod, 0, 1));
    assert_false(entry_joins(format, pod, entry_make(format, RAM, P2M_BROKEN, 1), 1));
    assert_false(entry_joins(format, table, table, 1));
    assert_false(entry_joins(format, 0, table, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(an_entry_says_what_it_was_made_of),
        FOR_BOTH_FORMATS(a_table_entry_is_a_table_at_every_level_but_the_lowest),
        FOR_BOTH_FORMATS(pieces_follow_each_other_and_keep_every_bit),
        FOR_BOTH_FORMATS(pieces_of_marks_are_the_mark),
        FOR_BOTH_FORMATS(leaves_join_where_the_frames_go_on),
        FOR_BOTH_FORMATS(marks_join_their_like_and_tables_join_nothing),
    };

    return cmocka_run_group_tests_name("pte", tests, NULL, NULL);
}
