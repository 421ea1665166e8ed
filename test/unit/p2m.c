/* SPDX-License-Identifier: MIT */
/*
 * p2m/p2m.c: the public verbs, one at a time: what they do, what they refuse, and that a refusal
 * changes nothing.
 */
#include "fixture.h"

#define RAM   MFN(0x80000)
#define OTHER MFN(0x100000)

static const unsigned orders[] = { ORDER_4K, ORDER_2M, ORDER_1G };

/* ---- create --------------------------------------------------------------------------------- */

static void create_refuses_what_makes_no_sense(void **state)
{
    struct fixture *f = *state;
    static const unsigned bad_orders[] = { 1, 8, 10, 27, 36, 64, ~0u };
    static const uint64_t bad_ends[] = { 0, ((uint64_t)1 << 36) + 1, UINT64_MAX };
    struct p2m_config config;
    struct p2m p2m;

    for (unsigned i = 0; i < sizeof(bad_orders) / sizeof(bad_orders[0]); i++) {
        config = f->config;
        config.max_order = bad_orders[i];
        assert_int_equal(p2m_create(&p2m, &config), P2M_BAD_RANGE);
    }
    for (unsigned i = 0; i < sizeof(bad_ends) / sizeof(bad_ends[0]); i++) {
        config = f->config;
        config.end = GFN(bad_ends[i]);
        assert_int_equal(p2m_create(&p2m, &config), P2M_BAD_RANGE);
    }
    config = f->config;
    config.table_quota = 0;
    assert_int_equal(p2m_create(&p2m, &config), P2M_BAD_RANGE);
    config = f->config;
    config.format = NULL;
    assert_int_equal(p2m_create(&p2m, &config), P2M_BAD_RANGE);
    config = f->config;
    config.mfn_end = MFN(((uint64_t)1 << 40) + 1);
    assert_int_equal(p2m_create(&p2m, &config), P2M_BAD_RANGE);
    config.mfn_end = MFN(0);
    assert_int_equal(p2m_create(&p2m, &config), P2M_BAD_RANGE);
    memory_fail_allocation(1);
    assert_int_equal(p2m_create(&p2m, &f->config), P2M_NO_MEMORY);
    assert_int_equal(memory_tables_in_use(), 1);
}

static void a_new_map_is_one_empty_root(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->p2m.counts.tables, 1);
    assert_int_equal(get(f, GFN(0)).order, 27);
    assert_int_equal(get(f, GFN(0)).type, P2M_INVALID);
    assert_int_equal(p2m_root_address(&f->p2m) % FRAME_SIZE, 0);
    assert_string_equal(p2m_format_name(f->config.format),
                        f->config.format == &npt_format ? "npt" : "ept");
}

static void destroy_gives_everything_back(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    must(p2m_pin(f->locked, GFN(0)));
    must(set(f, GFN(0x40000), INVALID_MFN, ORDER_4K, P2M_POD));
    must(set(f, GFN(0x40000), INVALID_MFN, ORDER_4K, P2M_INVALID));
    assert_true(p2m_has_candidates(&f->p2m));
    p2m_destroy(f->locked, &f->debt);
    assert_int_equal(f->p2m.counts.tables, 0);
    assert_int_equal(f->p2m.unpaid.tables, 6);
    assert_false(p2m_has_candidates(&f->p2m));
    fixture_settle(f);
    assert_int_equal(memory_returned().frames, order_frames(ORDER_1G));
    assert_int_equal(memory_tables_in_use(), 0);
    p2m_unlock(f->locked);
    must(p2m_create(&f->p2m, &f->config)); /* for the teardown */
    f->locked = p2m_lock(&f->p2m);
}

/* ---- get ------------------------------------------------------------------------------------ */

static void get_says_the_frame_of_the_very_gfn(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0x40000), RAM, ORDER_1G, P2M_RAM_RW));
    expect_entry(f, GFN(0x40000), RAM, ORDER_1G, P2M_RAM_RW);
    expect_entry(f, GFN(0x54321), MFN(RAM.mfn + 0x14321), ORDER_1G, P2M_RAM_RW);
    expect_entry(f, GFN(0x7ffff), MFN(RAM.mfn + 0x3ffff), ORDER_1G, P2M_RAM_RW);
    expect_entry(f, GFN(0x80000), INVALID_MFN, ORDER_1G, P2M_INVALID);
}

static void get_beyond_the_end_is_invalid(void **state)
{
    struct fixture *f = *state;
    const uint64_t beyond[] = { f->config.end.gfn, (uint64_t)1 << 35, (uint64_t)1 << 36,
                                ((uint64_t)1 << 36) + 5, UINT64_MAX };

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        assert_int_equal(get(f, GFN(beyond[i])).type, P2M_INVALID);
        assert_false(mfn_is_valid(get(f, GFN(beyond[i])).mfn));
    }
}

/* ---- set ------------------------------------------------------------------------------------ */

static void set_maps_every_type_in_every_order(void **state)
{
    struct fixture *f = *state;

    for (unsigned type = P2M_INVALID + 1; type < P2M_TYPE_COUNT; type++) {
        for (unsigned i = 0; i < 3; i++) {
            gfn_t gfn = GFN(0x40000);
            mfn_t mfn = p2m_type_rights(type) ? RAM : INVALID_MFN;

            must(set(f, gfn, mfn, orders[i], type));
            expect_entry(f, gfn, mfn, orders[i], type);
            expect_sound(f);
            must(set(f, gfn, INVALID_MFN, orders[i], P2M_INVALID));
            expect_entry(f, gfn, INVALID_MFN, orders[i], P2M_INVALID);
            fixture_settle(f);
        }
    }
}

static void set_splits_a_superpage_and_keeps_its_neighbours(void **state)
{
    struct fixture *f = *state;
    gfn_t hole = GFN(0x40000 + 3 * 512 + 7);

    must(set(f, GFN(0x40000), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, hole, INVALID_MFN, ORDER_4K, P2M_INVALID));
    expect_entry(f, hole, INVALID_MFN, ORDER_4K, P2M_INVALID);
    expect_entry(f, GFN(hole.gfn - 1), MFN(RAM.mfn + 3 * 512 + 6), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(hole.gfn + 1), MFN(RAM.mfn + 3 * 512 + 8), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(0x40000 + 2 * 512), MFN(RAM.mfn + 2 * 512), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0x40000 + 4 * 512), MFN(RAM.mfn + 4 * 512), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0x7ffff), MFN(RAM.mfn + 0x3ffff), ORDER_2M, P2M_RAM_RW);
    assert_int_equal(f->p2m.events.splits[order_size(ORDER_1G)], 1);
    assert_int_equal(f->p2m.events.splits[order_size(ORDER_2M)], 1);
    assert_int_equal(f->p2m.counts.ram[0], 511);
    assert_int_equal(f->p2m.counts.ram[1], 511);
    assert_int_equal(f->p2m.counts.ram[2], 0);
}

static void set_of_what_is_there_already_does_nothing(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(0x40000), INVALID_MFN, ORDER_1G, P2M_POD));
    must(p2m_pin(f->locked, GFN(5)));
    REFUSED(f, P2M_OK, set(f, GFN(5), MFN(RAM.mfn + 5), ORDER_4K, P2M_RAM_RW));
    REFUSED(f, P2M_OK, set(f, GFN(512), MFN(RAM.mfn + 512), ORDER_2M, P2M_RAM_RW));
    REFUSED(f, P2M_OK, set(f, GFN(0x40007), RAM, ORDER_4K, P2M_POD));
    REFUSED(f, P2M_OK, set(f, GFN(0x80000), RAM, ORDER_4K, P2M_INVALID));
}

static void a_change_of_type_keeps_the_frame_and_what_the_processor_noted(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        must(set(f, GFN(0), RAM, orders[i], P2M_RAM_RW));
        fixture_settle(f);
        processor_access(&f->processor, GFN(0), ACCESS_WRITE);
        must(set(f, GFN(0), RAM, orders[i], P2M_RAM_RO));
        assert_true(f->debt.flush);
        assert_int_equal(f->debt.count, 0);
        expect_entry(f, GFN(0), RAM, orders[i], P2M_RAM_RO);
        assert_true(get(f, GFN(0)).dirty);
        assert_true(get(f, GFN(0)).accessed);
        must(set(f, GFN(0), RAM, orders[i], P2M_INVALID));
        fixture_settle(f);
    }
}

static void a_frame_is_never_exchanged_for_another_in_one_step(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (unsigned i = 0; i < 3; i++)
        REFUSED(f, P2M_OCCUPIED, set(f, GFN(0), OTHER, orders[i], P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    for (unsigned i = 0; i < 3; i++)
        REFUSED(f, P2M_OCCUPIED, set(f, GFN(0), OTHER, orders[i], P2M_RAM_RW));
}

static void a_leaf_replaces_a_table_of_marks(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_POD));
    must(p2m_split(f->locked, GFN(77), ORDER_4K));
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    assert_int_equal(f->debt.count, 1);
    expect_entry(f, GFN(77), MFN(RAM.mfn + 77), ORDER_1G, P2M_RAM_RW);
    fixture_settle(f);
    assert_int_equal(memory_returned().calls, 0);
    assert_int_equal(f->p2m.counts.markers[0] + f->p2m.counts.markers[1], 0);
}

static void set_refuses_bad_ranges(void **state)
{
    static const unsigned bad_orders[] = { 1, 8, 10, 17, 19, 27, 36, 63, 64, 65, ~0u };
    struct fixture *f = *state;
    uint64_t end = f->config.end.gfn;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    for (unsigned i = 0; i < sizeof(bad_orders) / sizeof(bad_orders[0]); i++)
        REFUSED(f, P2M_BAD_RANGE, set(f, GFN(0), RAM, bad_orders[i], P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(1), RAM, ORDER_2M, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(512), RAM, ORDER_1G, P2M_POD));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(1024), MFN(1), ORDER_2M, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(0x40000), MFN(512), ORDER_1G, P2M_MMIO));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(end), RAM, ORDER_4K, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(end), RAM, ORDER_4K, P2M_INVALID));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(end & ~511), RAM, ORDER_2M, P2M_POD));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(UINT64_MAX), RAM, ORDER_4K, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(5), INVALID_MFN, ORDER_4K, P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(5), MFN((uint64_t)1 << 40), ORDER_4K, P2M_RAM_RW));
}

static void set_refuses_bad_types(void **state)
{
    static const unsigned types[] = { P2M_TYPE_COUNT, 15, 16, 255, ~0u };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct gfn_range range = { GFN(0), GFN(512) };
        mfn_t mfn = RAM;

        REFUSED(f, P2M_BAD_TYPE, set(f, GFN(0), RAM, ORDER_4K, (enum p2m_type)types[i]));
        REFUSED(f, P2M_BAD_TYPE,
                p2m_set_range(f->locked, &range, &mfn, (enum p2m_type)types[i], &f->debt));
        assert_int_equal(range.from.gfn, 0);
    }
}

static void the_highest_frame_can_be_mapped(void **state)
{
    struct fixture *f = *state;
    mfn_t last = MFN(((uint64_t)1 << 40) - 1);

    must(set(f, GFN(511), last, ORDER_4K, P2M_RAM_RW));
    expect_entry(f, GFN(511), last, ORDER_4K, P2M_RAM_RW);
    must(set(f, GFN(0x40000), MFN(last.mfn & ~0x3ffffull), ORDER_1G, P2M_RAM_RO));
    must(p2m_split(f->locked, GFN(0x7ffff), ORDER_4K));
    expect_entry(f, GFN(0x7ffff), last, ORDER_4K, P2M_RAM_RO);
}

static void no_leaf_is_larger_than_allowed_and_marks_are(void **state)
{
    struct fixture *f = *state;

    f->config.max_order = ORDER_2M;
    fixture_restart(f);
    REFUSED(f, P2M_BAD_RANGE, set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_POD));
    must(set(f, GFN(512), RAM, ORDER_2M, P2M_RAM_RW));
    expect_entry(f, GFN(0), INVALID_MFN, ORDER_2M, P2M_POD);
}

static void a_full_debt_takes_no_more_items(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    for (uint64_t i = 0; i < P2M_DEBT_MAX; i++)
        must(set(f, GFN(i), RAM, ORDER_4K, P2M_INVALID));
    assert_int_equal(f->debt.count, P2M_DEBT_MAX);
    REFUSED(f, P2M_DEBT_FULL, set(f, GFN(100), RAM, ORDER_4K, P2M_INVALID));
    REFUSED(f, P2M_OCCUPIED, set(f, GFN(0), RAM, ORDER_4K, P2M_RAM_RW));
    must(set(f, GFN(512), RAM, ORDER_4K, P2M_RAM_RW)); /* nothing leaves the map */
}

/* ---- pins ----------------------------------------------------------------------------------- */

static void a_pin_keeps_the_frame_and_its_type(void **state)
{
    struct fixture *f = *state;
    gfn_t pinned = GFN(3 * 512 + 9);
    mfn_t frame = mfn_add(RAM, pinned.gfn);

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_pin(f->locked, pinned));
    must(p2m_pin(f->locked, pinned));
    for (unsigned i = 0; i < 3; i++) {
        gfn_t gfn = GFN(frame_align_down(pinned.gfn, orders[i]));
        mfn_t mfn = MFN(frame_align_down(frame.mfn, orders[i]));

        REFUSED(f, P2M_BUSY, set(f, gfn, mfn, orders[i], P2M_INVALID));
        REFUSED(f, P2M_BUSY, set(f, gfn, mfn, orders[i], P2M_POD));
        REFUSED(f, P2M_BUSY, set(f, gfn, mfn, orders[i], P2M_RAM_RO));
    }
    must(set(f, GFN(pinned.gfn + 1), RAM, ORDER_4K, P2M_INVALID)); /* a split goes on */
    expect_entry(f, pinned, frame, ORDER_4K, P2M_RAM_RW);
    p2m_unpin(f->locked, pinned);
    REFUSED(f, P2M_BUSY, set(f, GFN(0), RAM, ORDER_1G, P2M_INVALID));
    p2m_unpin(f->locked, pinned);
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_INVALID));
}

static void a_pin_needs_a_frame_and_a_place(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_SPECIAL));
    must(set(f, GFN(512), RAM, ORDER_2M, P2M_POD));
    REFUSED(f, P2M_BAD_TYPE, p2m_pin(f->locked, GFN(512)));
    REFUSED(f, P2M_BAD_TYPE, p2m_pin(f->locked, GFN(1024)));
    REFUSED(f, P2M_BAD_TYPE, p2m_pin(f->locked, f->config.end));
    REFUSED(f, P2M_BAD_TYPE, p2m_pin(f->locked, GFN(UINT64_MAX)));
    for (uint64_t i = 0; i < P2M_PINS_MAX; i++)
        must(p2m_pin(f->locked, GFN(i)));
    REFUSED(f, P2M_NO_MEMORY, p2m_pin(f->locked, GFN(100)));
    for (uint64_t i = 0; i < P2M_PINS_MAX; i++)
        p2m_unpin(f->locked, GFN(P2M_PINS_MAX - 1 - i));
    assert_int_equal(f->p2m.pin_count, 0);
    EXPECT_ASSERT(p2m_unpin(f->locked, GFN(0)));
}

/* ---- split, mark dirty ---------------------------------------------------------------------- */

static void a_split_changes_no_translation(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    processor_access(&f->processor, GFN(0x777), ACCESS_WRITE);
    must(p2m_split(f->locked, GFN(0x12345), ORDER_2M));
    expect_entry(f, GFN(0x12345), mfn_add(RAM, 0x12345), ORDER_2M, P2M_RAM_RW);
    must(p2m_split(f->locked, GFN(0x12345), ORDER_4K));
    expect_entry(f, GFN(0x12345), mfn_add(RAM, 0x12345), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW);
    assert_true(get(f, GFN(0x12345)).dirty); /* who knows which piece it was */
    assert_false(f->debt.flush);
    REFUSED(f, P2M_OK, p2m_split(f->locked, GFN(0x12345), ORDER_2M));
    REFUSED(f, P2M_OK, p2m_split(f->locked, GFN(0x12345), ORDER_4K));
}

static void a_split_of_nothing_needs_nothing(void **state)
{
    struct fixture *f = *state;

    REFUSED(f, P2M_OK, p2m_split(f->locked, GFN(0), ORDER_4K));
    REFUSED(f, P2M_OK, p2m_split(f->locked, GFN(f->config.end.gfn - 1), ORDER_2M));
}

static void split_refuses_bad_ranges(void **state)
{
    static const unsigned bad_orders[] = { 1, 8, 10, ORDER_1G, 27, 36, 64, ~0u };
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (unsigned i = 0; i < sizeof(bad_orders) / sizeof(bad_orders[0]); i++)
        REFUSED(f, P2M_BAD_RANGE, p2m_split(f->locked, GFN(0), bad_orders[i]));
    REFUSED(f, P2M_BAD_RANGE, p2m_split(f->locked, f->config.end, ORDER_4K));
    REFUSED(f, P2M_BAD_RANGE, p2m_split(f->locked, GFN(UINT64_MAX), ORDER_4K));
}

static void the_host_marks_dirty_what_has_a_frame(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        gfn_t gfn = GFN((uint64_t)i << ORDER_1G);

        must(set(f, gfn, mfn_add(OTHER, gfn.gfn), orders[i], P2M_RAM_RO));
        must(p2m_mark_dirty(f->locked, gfn));
        assert_true(get(f, gfn).dirty);
        assert_true(get(f, gfn).accessed);
    }
    must(set(f, GFN(0xc0000), INVALID_MFN, ORDER_2M, P2M_POD));
    REFUSED(f, P2M_BAD_TYPE, p2m_mark_dirty(f->locked, GFN(0xc0000)));
    REFUSED(f, P2M_BAD_TYPE, p2m_mark_dirty(f->locked, GFN(1)));
    REFUSED(f, P2M_BAD_TYPE, p2m_mark_dirty(f->locked, f->config.end));
    REFUSED(f, P2M_BAD_TYPE, p2m_mark_dirty(f->locked, GFN(UINT64_MAX)));
}

/* ---- names ---------------------------------------------------------------------------------- */

static void errors_have_names(void **state)
{
    (void)state;
    for (unsigned error = P2M_OK; error <= P2M_AGAIN; error++)
        assert_string_not_equal(p2m_error_name(error), "unknown");
    assert_string_equal(p2m_error_name((enum p2m_error)(P2M_AGAIN + 1)), "unknown");
    assert_string_equal(p2m_error_name((enum p2m_error) ~0u), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(create_refuses_what_makes_no_sense),
        FOR_BOTH_FORMATS(a_new_map_is_one_empty_root),
        FOR_BOTH_FORMATS(destroy_gives_everything_back),
        FOR_BOTH_FORMATS(get_says_the_frame_of_the_very_gfn),
        FOR_BOTH_FORMATS(get_beyond_the_end_is_invalid),
        FOR_BOTH_FORMATS(set_maps_every_type_in_every_order),
        FOR_BOTH_FORMATS(set_splits_a_superpage_and_keeps_its_neighbours),
        FOR_BOTH_FORMATS(set_of_what_is_there_already_does_nothing),
        FOR_BOTH_FORMATS(a_change_of_type_keeps_the_frame_and_what_the_processor_noted),
        FOR_BOTH_FORMATS(a_frame_is_never_exchanged_for_another_in_one_step),
        FOR_BOTH_FORMATS(a_leaf_replaces_a_table_of_marks),
        FOR_BOTH_FORMATS(set_refuses_bad_ranges),
        FOR_BOTH_FORMATS(set_refuses_bad_types),
        FOR_BOTH_FORMATS(the_highest_frame_can_be_mapped),
        FOR_BOTH_FORMATS(no_leaf_is_larger_than_allowed_and_marks_are),
        FOR_BOTH_FORMATS(a_full_debt_takes_no_more_items),
        FOR_BOTH_FORMATS(a_pin_keeps_the_frame_and_its_type),
        FOR_BOTH_FORMATS(a_pin_needs_a_frame_and_a_place),
        FOR_BOTH_FORMATS(a_split_changes_no_translation),
        FOR_BOTH_FORMATS(a_split_of_nothing_needs_nothing),
        FOR_BOTH_FORMATS(split_refuses_bad_ranges),
        FOR_BOTH_FORMATS(the_host_marks_dirty_what_has_a_frame),
        FOR_BOTH_FORMATS(errors_have_names),
    };

    return cmocka_run_group_tests_name("p2m", tests, NULL, NULL);
}
