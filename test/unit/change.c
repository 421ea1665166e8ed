/* SPDX-License-Identifier: MIT */
/*
 * p2m/change.c: what a change of type says at once, what a processor sees of it and when, and that
 * nothing else changes.
 */
#include "pod_fixture.h"

#include "p2m/change.h"
#include "p2m/table.h"

#define RAM   MFN(0x40000)
#define PLAIN MFN(0x80000)

static enum p2m_error change(struct fixture *f, enum p2m_type from, enum p2m_type to)
{
    return p2m_change_type_global(f->locked, from, to, &f->debt);
}

static enum p2m_error change_range(struct fixture *f, uint64_t from, uint64_t end)
{
    struct gfn_range range = { GFN(from), GFN(end) };

    return p2m_change_type_range(f->locked, range, P2M_RAM_RW, P2M_RAM_RO, &f->debt);
}

/* A GB as one leaf; one as 512 leaves, of which the first is 512 more. */
static void populate_two(struct fixture *f)
{
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, GFN(FRAMES_1G), PLAIN, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(FRAMES_1G), ORDER_4K));
}

static bool is_stopped(const struct fixture *f, gfn_t gfn)
{
    struct processor_translation seen = processor_look(&f->processor, gfn);

    if (f->processor.maker == MAKER_INTEL)
        return seen.answer == ANSWER_MALFORMED;
    return seen.answer == ANSWER_WALKED && seen.rights == 0;
}

static void finish(struct fixture *f)
{
    while (p2m_finish_type_change(f->locked, 1) == P2M_AGAIN)
        expect_sound(f);
    assert_false(p2m_is_changing(&f->p2m));
    expect_sound(f);
}

/* ---- one frame ------------------------------------------------------------------------------ */

static void one_frame_is_compared_and_exchanged(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    REFUSED(f, P2M_UNEQUAL,
            p2m_change_type_one(f->locked, GFN(7), P2M_RAM_RO, P2M_RAM_RW, &f->debt));
    must(p2m_change_type_one(f->locked, GFN(7), P2M_RAM_RW, P2M_RAM_RO, &f->debt));
    assert_true(f->debt.flush);
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_4K, P2M_RAM_RO);
    expect_entry(f, GFN(8), mfn_add(RAM, 8), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(512), mfn_add(RAM, 512), ORDER_2M, P2M_RAM_RW);
    REFUSED(f, P2M_UNEQUAL,
            p2m_change_type_one(f->locked, GFN(7), P2M_RAM_RW, P2M_RAM_RO, &f->debt));
}

static void one_frame_that_is_pinned_or_beyond_the_end_stays(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    must(p2m_pin(f->locked, GFN(7)));
    REFUSED(f, P2M_BUSY, p2m_change_type_one(f->locked, GFN(7), P2M_RAM_RW, P2M_RAM_RO, &f->debt));
    REFUSED(f, P2M_BAD_RANGE,
            p2m_change_type_one(f->locked, f->config.end, P2M_RAM_RW, P2M_RAM_RO, &f->debt));
    p2m_unpin(f->locked, GFN(7));
}

/* ---- all ------------------------------------------------------------------------------------ */

static void a_global_change_is_said_at_once_and_keeps_all_sizes(void **state)
{
    struct fixture *f = *state;
    struct p2m_counts before;

    populate_two(f);
    before = p2m_counts(&f->p2m);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    assert_int_equal(get(f, GFN(7)).type, P2M_RAM_RO);
    assert_int_equal(get(f, GFN(7)).order, ORDER_1G);
    assert_int_equal(get(f, GFN(FRAMES_1G + 7)).type, P2M_RAM_RO);
    expect_sound(f);
    finish(f);
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_1G, P2M_RAM_RO);
    expect_entry(f, GFN(FRAMES_1G + 7), mfn_add(PLAIN, 7), ORDER_4K, P2M_RAM_RO);
    expect_entry(f, GFN(FRAMES_1G + 512), mfn_add(PLAIN, 512), ORDER_2M, P2M_RAM_RO);
    assert_memory_equal(&before, &f->p2m.counts, sizeof(before));
}

/* XSA-60, -97 and -150 were walks in proportion to the guest: here one entry of the root is marked,
 * whatever lies below. */
static void a_global_change_touches_the_top_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    const _Atomic uint64_t *root;
    mfn_t below;

    populate_two(f);
    root = table_entries(&f->p2m, f->p2m.root);
    below = entry_mfn(root[0]);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    assert_true(entry_is_pending(f->config.format, root[0], ROOT_LEVEL));
    assert_int_equal(entry_mfn(root[0]).mfn, below.mfn);
    assert_int_equal(entry_type(table_entries(&f->p2m, below)[0]), P2M_RAM_RW);
}

static void a_touch_carries_out_what_it_touches(void **state)
{
    struct fixture *f = *state;

    populate_two(f);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    fixture_settle(f);
    assert_true(is_stopped(f, GFN(7)));
    assert_true(p2m_recalculate(f->locked, GFN(7)));
    assert_false(p2m_recalculate(f->locked, GFN(7)));
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_1G, P2M_RAM_RO);
    assert_true(is_stopped(f, GFN(FRAMES_1G + 7)));
    assert_true(p2m_recalculate(f->locked, GFN(FRAMES_1G + 512)));
    expect_entry(f, GFN(FRAMES_1G + 512), mfn_add(PLAIN, 512), ORDER_2M, P2M_RAM_RO);
    assert_true(is_stopped(f, GFN(FRAMES_1G + 7)));
    assert_true(p2m_recalculate(f->locked, GFN(FRAMES_1G + 7)));
    expect_entry(f, GFN(FRAMES_1G + 7), mfn_add(PLAIN, 7), ORDER_4K, P2M_RAM_RO);
    assert_true(p2m_is_changing(&f->p2m));
    finish(f);
}

/* The guest may touch what it does not have, and is told so, and nothing else. */
static void a_touch_beyond_the_end_finds_nothing_there(void **state)
{
    struct fixture *f = *state;

    populate_two(f);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    assert_true(p2m_recalculate(f->locked, gfn_add(f->config.end, 1)));
    expect_entry(f, gfn_add(f->config.end, 1), INVALID_MFN, ORDER_1G, P2M_INVALID);
    assert_false(p2m_recalculate(f->locked, GFN(1ull << 36)));
    assert_false(p2m_recalculate(f->locked, GFN(UINT64_MAX)));
}

static void what_was_cached_ends_with_the_flush_and_what_was_written_stays_so(void **state)
{
    struct fixture *f = *state;
    gfn_t gfn = GFN(FRAMES_1G + 7);

    populate_two(f);
    assert_int_equal(processor_access(&f->processor, gfn, ACCESS_WRITE).answer, ANSWER_WALKED);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    assert_int_equal(processor_access(&f->processor, gfn, ACCESS_WRITE).answer, ANSWER_CACHED);
    fixture_settle(f);
    assert_true(p2m_recalculate(f->locked, gfn));
    assert_int_equal(processor_access(&f->processor, gfn, ACCESS_WRITE).answer, ANSWER_NOT_ALLOWED);
    assert_int_equal(processor_access(&f->processor, gfn, ACCESS_READ).answer, ANSWER_WALKED);
    assert_true(get(f, gfn).dirty);
    assert_false(get(f, gfn_add(gfn, 1)).dirty);
}

/* XSA-92: a change of type made entries where there was no memory. */
static void only_memory_of_that_type_changes(void **state)
{
    static const enum p2m_type types[] = { P2M_INVALID, P2M_RAM_RO,    P2M_MMIO,     P2M_SPECIAL,
                                           P2M_POD,     P2M_BROKEN,    P2M_RAM_HELD, P2M_RAM_COPIED,
                                           P2M_RAM_RW,  P2M_POD_MOVING };
    const unsigned count = sizeof(types) / sizeof(types[0]);
    struct fixture *f = *state;

    for (unsigned i = 0; i < count; i++)
        must(set(f, GFN(i), mfn_add(RAM, i), ORDER_4K, types[i]));
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    finish(f);
    for (unsigned i = 0; i < count; i++) {
        bool changes = types[i] == P2M_RAM_RW;
        mfn_t mfn = p2m_type_rights(types[i]) ? mfn_add(RAM, i) : INVALID_MFN;

        expect_entry(f, GFN(i), mfn, ORDER_4K, changes ? P2M_RAM_RO : types[i]);
    }
    expect_entry(f, GFN(count), INVALID_MFN, ORDER_4K, P2M_INVALID);
    must(set_range(f, (struct gfn_range){ GFN(0), GFN(count) }, INVALID_MFN, P2M_INVALID));
}

/* XSA-154: one frame was cached in two ways. A device's page, a shared one and a held one have
 * verbs of their own, and no others. */
static void what_is_not_plain_memory_neither_changes_nor_comes_about(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_2M, P2M_RAM_RW));
    for (unsigned type = 0; type <= P2M_TYPE_COUNT; type++) {
        enum p2m_type other = (enum p2m_type)type;

        if (p2m_type_class(other) == P2M_CLASS_RAM && !p2m_type_is_held(other))
            continue;
        REFUSED(f, P2M_BAD_TYPE, change(f, P2M_RAM_RW, other));
        REFUSED(f, P2M_BAD_TYPE, change(f, other, P2M_RAM_RW));
        REFUSED(f, P2M_BAD_TYPE,
                p2m_change_type_one(f->locked, GFN(7), P2M_RAM_RW, other, &f->debt));
        REFUSED(f, P2M_BAD_TYPE,
                p2m_change_type_one(f->locked, GFN(7), other, P2M_RAM_RW, &f->debt));
    }
    REFUSED(f, P2M_BAD_TYPE, change(f, P2M_RAM_RW, P2M_RAM_RW));
}

/* ---- a range -------------------------------------------------------------------------------- */

static void a_range_splits_at_its_two_ends_and_nowhere_else(void **state)
{
    struct fixture *f = *state;
    gfn_t end = GFN(3 * FRAMES_1G + 1024);

    for (uint64_t gb = 0; gb < 4; gb++)
        must(set(f, GFN(gb * FRAMES_1G), mfn_add(RAM, gb * FRAMES_1G), ORDER_1G, P2M_RAM_RW));
    must(change_range(f, 5, end.gfn));
    assert_int_equal(p2m_events(&f->p2m).splits[order_size(ORDER_1G)], 2);
    assert_int_equal(p2m_events(&f->p2m).splits[order_size(ORDER_2M)], 1);
    finish(f);
    expect_entry(f, GFN(4), mfn_add(RAM, 4), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(5), mfn_add(RAM, 5), ORDER_4K, P2M_RAM_RO);
    expect_entry(f, GFN(512), mfn_add(RAM, 512), ORDER_2M, P2M_RAM_RO);
    expect_entry(f, GFN(FRAMES_1G), mfn_add(RAM, FRAMES_1G), ORDER_1G, P2M_RAM_RO);
    expect_entry(f, GFN(end.gfn - 1), mfn_add(RAM, end.gfn - 1), ORDER_2M, P2M_RAM_RO);
    expect_entry(f, end, mfn_add(RAM, end.gfn), ORDER_2M, P2M_RAM_RW);
}

static void a_range_without_whole_tables_is_done_at_once(void **state)
{
    struct fixture *f = *state;

    populate_two(f);
    must(change_range(f, 0, FRAMES_1G));
    assert_false(p2m_is_changing(&f->p2m));
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_1G, P2M_RAM_RO);
    must(change_range(f, FRAMES_1G + 3, FRAMES_1G + 5));
    assert_false(p2m_is_changing(&f->p2m));
    expect_entry(f, GFN(FRAMES_1G + 3), mfn_add(PLAIN, 3), ORDER_4K, P2M_RAM_RO);
    expect_entry(f, GFN(FRAMES_1G + 5), mfn_add(PLAIN, 5), ORDER_4K, P2M_RAM_RW);
}

static void a_range_in_one_leaf_and_back_is_one_leaf_again(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(3), GFN(700) };

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(change_range(f, 3, 700));
    finish(f);
    must(p2m_change_type_range(f->locked, range, P2M_RAM_RO, P2M_RAM_RW, &f->debt));
    finish(f);
    while (p2m_has_candidates(&f->p2m)) {
        p2m_merge_candidates(f->locked, &f->debt);
        fixture_settle(f);
    }
    expect_entry(f, GFN(7), mfn_add(RAM, 7), ORDER_1G, P2M_RAM_RW);
}

static void a_range_without_tables_or_sense_changes_nothing(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (uint64_t nth = 1; nth <= 4; nth++) {
        memory_fail_allocation(nth);
        REFUSED(f, P2M_NO_MEMORY, change_range(f, 3, 700));
    }
    memory_fail_allocation(0);
    REFUSED(f, P2M_BAD_RANGE, change_range(f, 7, 7));
    REFUSED(f, P2M_BAD_RANGE, change_range(f, 7, f->config.end.gfn + 1));
}

/* ---- while one is pending ------------------------------------------------------------------- */

static void the_same_and_the_reverse_may_follow_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    populate_two(f);
    must(set(f, GFN(2 * FRAMES_1G), mfn_add(PLAIN, FRAMES_1G), ORDER_4K, P2M_RAM_RO));
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    REFUSED(f, P2M_BUSY, change_range(f, 0, FRAMES_1G));
    p2m_recalculate(f->locked, GFN(FRAMES_1G + 512));
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    must(change(f, P2M_RAM_RO, P2M_RAM_RW));
    for (uint64_t gfn = FRAMES_1G; gfn <= 2 * FRAMES_1G; gfn += 512)
        assert_int_equal(get(f, GFN(gfn)).type, P2M_RAM_RW);
    expect_sound(f);
    finish(f);
    for (uint64_t gfn = FRAMES_1G; gfn <= 2 * FRAMES_1G; gfn += 512)
        assert_int_equal(get(f, GFN(gfn)).type, P2M_RAM_RW);
}

static void what_is_mapped_meanwhile_is_what_it_was_mapped_as(void **state)
{
    struct fixture *f = *state;
    gfn_t gfn = GFN(FRAMES_1G + 7);

    populate_two(f);
    must(set(f, gfn, INVALID_MFN, ORDER_4K, P2M_INVALID));
    fixture_settle(f);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    must(set(f, gfn, RAM, ORDER_4K, P2M_RAM_RW));
    expect_entry(f, gfn, RAM, ORDER_4K, P2M_RAM_RW);
    must(set(f, GFN(FRAMES_1G + 8), mfn_add(PLAIN, 8), ORDER_4K, P2M_RAM_RW));
    finish(f);
    expect_entry(f, gfn, RAM, ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(FRAMES_1G + 8), mfn_add(PLAIN, 8), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(FRAMES_1G + 9), mfn_add(PLAIN, 9), ORDER_4K, P2M_RAM_RO);
}

static void splits_and_ranges_and_whole_tables_go_on_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(FRAMES_1G + 512), GFN(FRAMES_1G + 2048) };

    populate_two(f);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    must(p2m_split(f->locked, GFN(7), ORDER_4K));
    assert_int_equal(get(f, GFN(7)).type, P2M_RAM_RO);
    expect_sound(f);
    must(set_range(f, range, mfn_add(PLAIN, 512), P2M_RAM_RW));
    expect_entry(f, GFN(FRAMES_1G + 600), mfn_add(PLAIN, 600), ORDER_2M, P2M_RAM_RW);
    assert_int_equal(get(f, GFN(FRAMES_1G + 2048)).type, P2M_RAM_RO);
    must(set(f, GFN(FRAMES_1G), INVALID_MFN, ORDER_1G, P2M_INVALID));
    fixture_settle(f);
    assert_int_equal(get(f, GFN(7)).type, P2M_RAM_RO);
    finish(f);
}

static void superpages_come_back_while_it_is_carried_out(void **state)
{
    struct fixture *f = *state;

    populate_two(f);
    must(p2m_change_type_one(f->locked, GFN(FRAMES_1G + 7), P2M_RAM_RW, P2M_RAM_RO, &f->debt));
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    must(p2m_merge(f->locked, GFN(FRAMES_1G + 7), ORDER_2M, &f->debt));
    expect_entry(f, GFN(FRAMES_1G + 7), mfn_add(PLAIN, 7), ORDER_2M, P2M_RAM_RO);
    finish(f);
    while (p2m_has_candidates(&f->p2m)) {
        fixture_settle(f);
        p2m_merge_candidates(f->locked, &f->debt);
    }
    expect_entry(f, GFN(FRAMES_1G + 7), mfn_add(PLAIN, 7), ORDER_1G, P2M_RAM_RO);
}

static void finishing_is_bounded_and_ends_where_the_range_does(void **state)
{
    struct fixture *f = *state;
    unsigned calls = 1;

    populate_two(f);
    must(change_range(f, 0, 2 * FRAMES_1G + 77));
    while (p2m_finish_type_change(f->locked, TABLE_ENTRIES) == P2M_AGAIN) {
        expect_sound(f);
        calls++;
    }
    assert_in_range(calls, 2, 6);
    must(p2m_finish_type_change(f->locked, 0)); /* nothing is pending */
}

/* ---- and sweeps ----------------------------------------------------------------------------- */

static void a_sweep_waits_for_a_change_and_a_change_for_a_sweep(void **state)
{
    struct fixture *f = *state;
    struct pod_sweep sweep;

    map(f, GFN(0), RAM, ORDER_2M);
    map(f, GFN(512), mfn_add(RAM, 512), ORDER_2M);
    must(change_range(f, 3, FRAMES_1G));
    assert_false(p2m_is_changing(&f->p2m));
    must(p2m_change_type_range(f->locked, (struct gfn_range){ GFN(0), GFN(FRAMES_1G) }, P2M_RAM_RO,
                               P2M_RAM_RW, &f->debt));
    assert_true(p2m_is_changing(&f->p2m));
    assert_int_equal(pod_sweep_protect(f->locked, &f->pod, sweep_leaves[1], &sweep, &f->debt),
                     P2M_BUSY);
    finish(f);
    must(sweep_begin(f, sweep_leaves[1], &sweep));
    REFUSED(f, P2M_BUSY, change(f, P2M_RAM_RW, P2M_RAM_RO));
    sweep_scan(f, &sweep);
    assert_int_equal(sweep_finish(f, &sweep), 512);
    must(change(f, P2M_RAM_RW, P2M_RAM_RO));
    finish(f);
}

/* A GB in 4 KB leaves, all of which waits: no call carries out more than it looks at. */
static void setting_a_range_does_not_carry_all_of_it_out(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(FRAMES_1G) };
    mfn_t mfn = RAM;
    unsigned done = 0;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    for (uint64_t gfn = 0; gfn < FRAMES_1G; gfn += 512)
        must(p2m_split(f->locked, GFN(gfn), ORDER_4K));
    must(change(f, P2M_RAM_RW, P2M_RAM_LOGDIRTY));
    f->p2m.config.steps = 16;
    must(p2m_set_range(f->locked, &range, &mfn, P2M_RAM_RO, &f->debt));
    f->p2m.config.steps = P2M_STEPS;
    assert_in_range(range.from.gfn, 1, 512);
    for (uint64_t gfn = 0; gfn < FRAMES_1G; gfn += 512)
        done += table_pending_level(&f->p2m, GFN(gfn)) == 0;
    assert_int_equal(done, 1);
    expect_entry(f, GFN(0), RAM, ORDER_4K, P2M_RAM_RO);
    assert_int_equal(get(f, GFN(FRAMES_1G - 1)).type, P2M_RAM_LOGDIRTY);
    fixture_settle(f);
}

/* What differed from its neighbours does not any more. */
static void what_a_change_made_alike_is_one_leaf_again(void **state)
{
    struct fixture *f = *state;
    gfn_t odd = GFN(3 * FRAMES_2M + 7);

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(set(f, odd, mfn_add(RAM, odd.gfn), ORDER_4K, P2M_RAM_RO));
    fixture_settle(f);
    assert_false(p2m_has_candidates(&f->p2m));
    must(change(f, P2M_RAM_RO, P2M_RAM_RW));
    finish(f);
    while (p2m_has_candidates(&f->p2m)) {
        p2m_merge_candidates(f->locked, &f->debt);
        fixture_settle(f);
    }
    expect_entry(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(one_frame_is_compared_and_exchanged),
        FOR_BOTH_FORMATS(one_frame_that_is_pinned_or_beyond_the_end_stays),
        FOR_BOTH_FORMATS(a_global_change_is_said_at_once_and_keeps_all_sizes),
        FOR_BOTH_FORMATS(a_global_change_touches_the_top_and_nothing_else),
        FOR_BOTH_FORMATS(a_touch_carries_out_what_it_touches),
        FOR_BOTH_FORMATS(a_touch_beyond_the_end_finds_nothing_there),
        FOR_BOTH_FORMATS(what_was_cached_ends_with_the_flush_and_what_was_written_stays_so),
        FOR_BOTH_FORMATS(only_memory_of_that_type_changes),
        FOR_BOTH_FORMATS(what_is_not_plain_memory_neither_changes_nor_comes_about),
        FOR_BOTH_FORMATS(a_range_splits_at_its_two_ends_and_nowhere_else),
        FOR_BOTH_FORMATS(a_range_without_whole_tables_is_done_at_once),
        FOR_BOTH_FORMATS(a_range_in_one_leaf_and_back_is_one_leaf_again),
        FOR_BOTH_FORMATS(a_range_without_tables_or_sense_changes_nothing),
        FOR_BOTH_FORMATS(the_same_and_the_reverse_may_follow_and_nothing_else),
        FOR_BOTH_FORMATS(what_is_mapped_meanwhile_is_what_it_was_mapped_as),
        FOR_BOTH_FORMATS(splits_and_ranges_and_whole_tables_go_on_meanwhile),
        FOR_BOTH_FORMATS(superpages_come_back_while_it_is_carried_out),
        FOR_BOTH_FORMATS(finishing_is_bounded_and_ends_where_the_range_does),
        FOR_BOTH_FORMATS(what_a_change_made_alike_is_one_leaf_again),
        FOR_BOTH_FORMATS(setting_a_range_does_not_carry_all_of_it_out),
        POD_FOR_BOTH_FORMATS(a_sweep_waits_for_a_change_and_a_change_for_a_sweep),
    };

    return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
