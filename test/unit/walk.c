/* SPDX-License-Identifier: MIT */
/*
 * p2m/walk.h: the walker sees every entry once, in order, and a table after all that is below it.
 */
#include "fixture.h"

#include "p2m/walk.h"

#define RAM   MFN(0x80000)
#define END   GFN((uint64_t)1 << 36)
#define SMALL (GFN(0x40000 + 5 * 512)) /* the 2 MB that are mapped by 4 KB */

/* GB 0 a leaf, GB 1 of 2 MB pieces with one of 4 KB pieces among them, the rest of 512 GB empty. */
static void make_map(struct fixture *f)
{
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(0x40000), RAM, ORDER_1G, P2M_POD));
    must(p2m_split(f->locked, SMALL, ORDER_4K));
}

static void the_entries_cover_everything_without_gap_or_overlap(void **state)
{
    struct fixture *f = *state;
    gfn_t next = GFN(0);
    unsigned entries = 0;

    make_map(f);
    for_each_p2m_entry (w, &f->p2m, GFN(0), END) {
        assert_int_equal(w.gfn.gfn, next.gfn);
        assert_int_not_equal(walk_kind(&w), ENTRY_TABLE);
        next = gfn_add(next, order_frames(level_order(w.level)));
        entries++;
    }
    assert_int_equal(next.gfn, END.gfn);
    assert_int_equal(entries, 511 + (1 + 510) + 511 + 512);
}

static void a_walk_of_an_empty_map_sees_the_root_s_entries(void **state)
{
    struct fixture *f = *state;
    unsigned entries = 0;

    for_each_p2m_entry (w, &f->p2m, GFN(0), END) {
        assert_int_equal(walk_kind(&w), ENTRY_EMPTY);
        assert_int_equal(w.level, ROOT_LEVEL);
        entries++;
    }
    assert_int_equal(entries, 512);
}

static void a_walk_begins_with_the_entry_that_covers_from(void **state)
{
    struct fixture *f = *state;
    gfn_t seen = END;

    make_map(f);
    for_each_p2m_entry (w, &f->p2m, GFN(0x12345), GFN(0x12346)) {
        assert_int_equal(seen.gfn, END.gfn); /* once */
        seen = w.gfn;
        assert_int_equal(w.level, 2);
    }
    assert_int_equal(seen.gfn, 0);
}

static void a_walk_stops_before_end(void **state)
{
    struct fixture *f = *state;
    unsigned entries = 0;

    make_map(f);
    for_each_p2m_entry (w, &f->p2m, gfn_add(SMALL, 510), gfn_add(SMALL, 513)) {
        static const uint64_t at[] = { 510, 511, 512 };

        assert_int_equal(w.gfn.gfn, SMALL.gfn + at[entries]);
        assert_int_equal(w.level, entries < 2 ? 0 : 1);
        entries++;
    }
    assert_int_equal(entries, 3);
    for_each_p2m_entry (w, &f->p2m, SMALL, SMALL)
        fail_msg("an empty range has an entry at %#lx", w.gfn.gfn);
}

static void a_walk_can_be_resumed_where_it_was(void **state)
{
    struct fixture *f = *state;
    unsigned whole = 0, pieces = 0;
    gfn_t from = GFN(0);

    make_map(f);
    for_each_p2m_entry (w, &f->p2m, GFN(0), GFN(0x80000))
        whole++;
    while (from.gfn < 0x80000) {
        for_each_p2m_entry (w, &f->p2m, from, GFN(0x80000)) {
            from = gfn_add(w.gfn, order_frames(level_order(w.level)));
            pieces++;
            break;
        }
    }
    assert_int_equal(pieces, whole);
}

static void a_table_is_seen_after_all_below_it(void **state)
{
    struct fixture *f = *state;
    struct walk walk = walk_range(&f->p2m, GFN(0), GFN(UINT64_MAX));
    uint64_t below[LEVELS] = { 0 };
    unsigned tables = 0;

    make_map(f);
    while (walk_step(&walk)) {
        if (walk_kind(&walk) == ENTRY_TABLE) {
            assert_int_equal(below[walk.level - 1], 512);
            below[walk.level - 1] = 0;
            tables++;
        }
        below[walk.level]++;
    }
    assert_int_equal(tables, f->p2m.counts.tables - 1); /* nothing names the root */
    assert_int_equal(below[ROOT_LEVEL], 512);
}

static void a_floor_keeps_the_walk_out_of_the_lowest_tables(void **state)
{
    struct fixture *f = *state;
    struct walk walk = walk_range(&f->p2m, GFN(0), GFN(UINT64_MAX));
    unsigned entries = 0, tables = 0;

    make_map(f);
    walk.floor = 1;
    while (walk_step(&walk)) {
        assert_in_range(walk.level, 1, ROOT_LEVEL);
        tables += walk_kind(&walk) == ENTRY_TABLE;
        entries++;
    }
    assert_int_equal(tables, 3);
    assert_int_equal(entries, 3 * 512);
}

static void one_table_can_be_walked_alone(void **state)
{
    struct fixture *f = *state;
    struct walk walk;
    gfn_t next = GFN(0x40000);

    make_map(f);
    walk = walk_table(
        &f->p2m,
        entry_mfn(table_entries(&f->p2m, entry_mfn(table_entries(&f->p2m, f->p2m.root)[0]))[1]), 1,
        GFN(0x40000));
    while (walk_next(&walk)) {
        assert_int_equal(walk.gfn.gfn, next.gfn);
        next = gfn_add(next, order_frames(level_order(walk.level)));
    }
    assert_int_equal(next.gfn, 0x80000);
    assert_false(walk_step(&walk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(the_entries_cover_everything_without_gap_or_overlap),
        FOR_BOTH_FORMATS(a_walk_of_an_empty_map_sees_the_root_s_entries),
        FOR_BOTH_FORMATS(a_walk_begins_with_the_entry_that_covers_from),
        FOR_BOTH_FORMATS(a_walk_stops_before_end),
        FOR_BOTH_FORMATS(a_walk_can_be_resumed_where_it_was),
        FOR_BOTH_FORMATS(a_table_is_seen_after_all_below_it),
        FOR_BOTH_FORMATS(a_floor_keeps_the_walk_out_of_the_lowest_tables),
        FOR_BOTH_FORMATS(one_table_can_be_walked_alone),
    };

    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
