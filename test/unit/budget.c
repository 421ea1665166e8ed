/* SPDX-License-Identifier: MIT */
/*
 * No call takes long, whatever the layout: config.steps bounds it, and what is done in parts comes
 * to what one call does. What a call takes is counted by the compiler: the engine is built so that
 * each basic block of it counts itself. Long calls under a lock are a row of published faults in
 * other hypervisors: XSA-27, 60, 89, 97, 125, 150, 158, 264 and 410.
 */
#include "gather_layout.h"

#include <stdlib.h>

#define RAM      MFN(8 << ORDER_1G)
#define ONE_CALL UINT64_MAX

/* ---- counting ------------------------------------------------------------------------------- */

/* So much, and so much a step: tables of 512 entries are looked at, filled, read for late bits. */
#define BLOCKS_BASE  40000u
#define BLOCKS_TABLE 200000u /* where all 512 entries of a slot change in one call */
#define BLOCKS_STEP  300u

void __sanitizer_cov_trace_pc(void);

static uint64_t blocks, blocks_most, calls;

void __sanitizer_cov_trace_pc(void)
{
    blocks++;
}

static void count_from_here(void)
{
    blocks = 0;
    calls++;
}

static void count_to_here(void)
{
    if (blocks > blocks_most)
        blocks_most = blocks;
}

/* Not after each of a hundred thousand calls. */
#define AUDIT_EVERY 997u

static void audit_now_and_then(struct fixture *f)
{
    if (calls % AUDIT_EVERY == 0)
        expect_pod_sound(f);
}

static void settle_only(struct fixture *f)
{
    uint64_t generation = p2m_begin_settle(&f->p2m);

    processor_flush(&f->processor);
    p2m_end_settle(&f->p2m, generation);
}

static void settle_and_pay(struct fixture *f)
{
    settle_only(f);
    pay_to_the_end(f->locked, &f->debt);
    trim_to_the_end(f->locked, &f->pod);
    audit_now_and_then(f);
}

/* ---- a case: a layout, and calls until there is no more to do ------------------------------- */

struct budget_case {
    void (*lay_out)(struct fixture *fixture);
    bool (*call)(struct fixture *fixture); /* true: there is more to do */
    uint64_t base;
};

struct result {
    struct snapshot map;
    struct memory_returned returned;
    struct memory_freed freed;
    struct pod_account account;
    struct pod_gather gather;
};

static struct result run(struct fixture *f, const struct budget_case *about, uint64_t steps)
{
    f->config.steps = ONE_CALL;
    pod_restart(f, ORDER_1G);
    about->lay_out(f);
    f->p2m.config.steps = steps;
    blocks_most = calls = 0;
    while (about->call(f))
        ;
    f->p2m.config.steps = ONE_CALL;
    while (p2m_has_candidates(&f->p2m)) { /* nothing at all may be in pieces, or in one */
        p2m_merge_candidates(f->locked, &f->debt);
        settle_and_pay(f);
    }
    expect_pod_sound(f);
    return (struct result){ .map = snapshot_take(f),
                            .returned = memory_returned(),
                            .freed = memory_freed(),
                            .account = pod_account(&f->pod),
                            .gather = f->pod.gather };
}

static void expect_same(const struct result *one, const struct result *many)
{
    uint64_t gfn = 0;

    assert_int_equal(one->returned.frames, many->returned.frames);
    assert_int_equal(one->freed.frames, many->freed.frames);
    assert_memory_equal(&one->account, &many->account, sizeof(one->account));
    assert_memory_equal(&one->map.counts, &many->map.counts, sizeof(one->map.counts));
    assert_int_equal(one->gather.block.mfn, many->gather.block.mfn);
    assert_int_equal(one->gather.slot.gfn, many->gather.slot.gfn);
    assert_int_equal(one->map.count, many->map.count);
    for (size_t i = 0; i < one->map.count; gfn += order_frames(one->map.entry[i++].order))
        if (!entry_is_same(&one->map.entry[i], &many->map.entry[i]))
            fail_msg("gfn %#lx is not the same", gfn);
    free(many->map.entry);
}

/* In one call it takes far more than in parts; no part takes more than its steps; and both come to
 * the same. */
static void expect_bounded(struct fixture *f, const struct budget_case *about)
{
    static const uint64_t budgets[] = { 7, 64, P2M_STEPS };
    struct result one = run(f, about, ONE_CALL);
    uint64_t at_once = blocks_most;

    for (unsigned i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        struct result many = run(f, about, budgets[i]);

        if (blocks_most > about->base + BLOCKS_STEP * budgets[i])
            fail_msg("a call of %lu steps took %lu blocks", budgets[i], blocks_most);
        if (budgets[i] < P2M_STEPS)
            assert_in_range(at_once, 2 * blocks_most, UINT64_MAX);
        expect_same(&one, &many);
    }
    free(one.map.entry);
    f->config.steps = 0;
    pod_restart(f, ORDER_1G);
}

/* ---- layouts -------------------------------------------------------------------------------- */

/* A GB of 4 KB leaves, or marks. */
static void shatter(struct fixture *f, gfn_t gfn)
{
    for (uint64_t piece = 0; piece < FRAMES_1G; piece += FRAMES_2M)
        must(p2m_split(f->locked, gfn_add(gfn, piece), ORDER_4K));
}

static void lay_shattered_leaf(struct fixture *f)
{
    map(f, GFN(0), RAM, ORDER_1G);
    shatter(f, GFN(0));
}

static void lay_shattered_marks(struct fixture *f)
{
    must(mark(f, GFN(0), 3 * FRAMES_1G));
    for (unsigned slot = 0; slot < 3; slot++)
        shatter(f, SLOT(slot));
}

/* ---- paying --------------------------------------------------------------------------------- */

static bool pay_some(struct fixture *f)
{
    enum p2m_error error;

    count_from_here();
    error = p2m_pay(f->locked, &f->debt);
    count_to_here();
    audit_now_and_then(f);
    return error == P2M_AGAIN;
}

static void lay_owed_subtree(struct fixture *f)
{
    lay_shattered_leaf(f);
    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_INVALID));
    map(f, SLOT(1), mfn_add(RAM, FRAMES_1G), ORDER_4K);
    must(set(f, SLOT(1), INVALID_MFN, ORDER_4K, P2M_INVALID));
    settle_only(f);
}

static void paying_for_a_gb_of_small_pages_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_owed_subtree, pay_some, BLOCKS_BASE });
}

/* A processor writes through the table of a merge, and then all is split to 4 KB. */
static void lay_late_bits(struct fixture *f)
{
    map(f, GFN(0), RAM, ORDER_1G);
    must(p2m_split(f->locked, GFN(0), ORDER_2M));
    processor_access(&f->processor, GFN(5), ACCESS_READ);
    must(p2m_merge(f->locked, GFN(0), ORDER_1G, &f->debt));
    processor_access(&f->processor, GFN(600), ACCESS_WRITE);
    settle_only(f);
    shatter(f, GFN(0));
}

static void saying_late_bits_again_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_late_bits, pay_some, BLOCKS_BASE });
}

/* The lock is free between two calls: what leaves the map meanwhile is said to be dirty. */
static void what_leaves_while_late_bits_are_said_again_is_dirty(void **state)
{
    struct fixture *f = *state;
    struct p2m_debt other = P2M_NO_DEBT;
    gfn_t last = GFN(FRAMES_1G - 1);

    lay_late_bits(f);
    f->p2m.config.steps = 64;
    assert_int_equal(p2m_pay(f->locked, &f->debt), P2M_AGAIN);
    assert_true(get(f, GFN(0)).dirty);
    assert_false(get(f, last).dirty);
    must(p2m_set_entry(f->locked, last, (struct p2m_mapping){ INVALID_MFN, 0, P2M_INVALID },
                       &other));
    settle_only(f);
    pay_to_the_end(f->locked, &other);
    assert_true(memory_returned().last.dirty);
    pay_to_the_end(f->locked, &f->debt);
    assert_true(get(f, GFN(FRAMES_1G - 2)).dirty);
}

static void a_debt_that_is_half_paid_takes_nothing_more(void **state)
{
    struct fixture *f = *state;

    lay_owed_subtree(f);
    f->p2m.config.steps = 64;
    map(f, SLOT(2), mfn_add(RAM, 2 * FRAMES_1G), ORDER_4K);
    assert_int_equal(p2m_pay(f->locked, &f->debt), P2M_AGAIN);
    EXPECT_ASSERT((void)!set(f, SLOT(2), mfn_add(RAM, 2 * FRAMES_1G), ORDER_4K, P2M_RAM_RO));
    EXPECT_ASSERT((void)!set(f, SLOT(2), INVALID_MFN, ORDER_4K, P2M_INVALID));
    fixture_restart(f);
}

/* ---- ranges --------------------------------------------------------------------------------- */

static struct gfn_range range;
static mfn_t range_mfn;
static enum p2m_type range_type;

static void aim(gfn_t from, gfn_t end, mfn_t mfn, enum p2m_type type)
{
    range = (struct gfn_range){ from, end };
    range_mfn = mfn;
    range_type = type;
}

static bool set_some(struct fixture *f)
{
    enum p2m_error error;

    count_from_here();
    error = p2m_set_range(f->locked, &range, &range_mfn, range_type, &f->debt);
    count_to_here();
    must(error);
    settle_and_pay(f);
    return range.from.gfn < range.end.gfn;
}

static void lay_small_pages_to_map(struct fixture *f)
{
    (void)f;
    aim(GFN(3), GFN(20003), MFN(RAM.mfn + 5), P2M_RAM_RW); /* never aligned alike */
}

static void mapping_many_small_pages_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_small_pages_to_map, set_some, BLOCKS_BASE });
}

static void lay_types_to_change(struct fixture *f)
{
    lay_shattered_leaf(f);
    aim(GFN(100), GFN(30000), mfn_add(RAM, 100), P2M_RAM_RO);
}

static void changing_the_type_of_many_small_pages_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_types_to_change, set_some, BLOCKS_BASE });
}

static void lay_marks_to_map_over(struct fixture *f)
{
    lay_shattered_marks(f);
    aim(GFN(0), SLOT(3), RAM, P2M_RAM_RW);
}

static void mapping_over_tables_of_marks_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_marks_to_map_over, set_some, BLOCKS_BASE });
}

/* ---- promising and giving back -------------------------------------------------------------- */

static bool range_some(struct fixture *f,
                       enum p2m_error (*verb)(struct p2m_locked, struct pod *, struct gfn_range *,
                                              struct p2m_debt *))
{
    enum p2m_error error;

    count_from_here();
    error = verb(f->locked, &f->pod, &range, &f->debt);
    count_to_here();
    must(error);
    settle_and_pay(f);
    return range.from.gfn < range.end.gfn;
}

static bool mark_some(struct fixture *f)
{
    return range_some(f, pod_mark);
}

static bool decrease_some(struct fixture *f)
{
    return range_some(f, pod_decrease);
}

/* Whole GBs in 4 KB marks, so that there is much to look at for one item of the debt. */
static void lay_marks_to_mark(struct fixture *f)
{
    must(mark(f, GFN(0), 3 * FRAMES_1G));
    for (unsigned slot = 0; slot < 3; slot++)
        shatter(f, SLOT(slot));
    aim(GFN(0), GFN(3 * FRAMES_1G), INVALID_MFN, P2M_POD);
}

static void marking_what_is_in_small_marks_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_marks_to_mark, mark_some, BLOCKS_BASE });
}

static uint64_t blocks_to_give_back(struct fixture *f, uint64_t from, uint64_t frames)
{
    aim(GFN(from), GFN(from + frames), INVALID_MFN, P2M_INVALID);
    blocks_most = 0;
    decrease_some(f);
    return blocks_most;
}

/* A balloon gives back thousands of frames, of which a call takes P2M_DEBT_MAX. */
static void a_call_looks_no_further_than_its_debt_has_room(void **state)
{
    struct fixture *f = *state;

    lay_shattered_leaf(f);
    must(mark(f, SLOT(1), FRAMES_1G));
    assert_in_range(blocks_to_give_back(f, 100, 300), 1,
                    blocks_to_give_back(f, 1100, P2M_DEBT_MAX + 1) * 5 / 4);
}

static void lay_frames_to_give_back(struct fixture *f)
{
    lay_shattered_marks(f);
    map(f, SLOT(3), RAM, ORDER_2M);
    must(p2m_split(f->locked, SLOT(3), ORDER_4K));
    hand(f, mfn_add(RAM, FRAMES_1G), ORDER_2M, POD_CLEAN);
    aim(GFN(9), gfn_add(SLOT(3), 500), INVALID_MFN, P2M_INVALID);
}

static void giving_back_marks_and_small_pages_is_bounded(void **state)
{
    expect_bounded(*state,
                   &(struct budget_case){ lay_frames_to_give_back, decrease_some, BLOCKS_BASE });
}

/* ---- the cache ------------------------------------------------------------------------------ */

/* Not `hand`, which audits all after each. */
static void add_single(struct fixture *f, mfn_t mfn)
{
    must(pod_cache_reserve(f->locked, &f->pod, 1));
    pod_cache_add(f->locked, &f->pod, mfn, ORDER_4K, POD_DIRTY);
}

/* Single frames, none of which joins another. */
static void lay_single_frames(struct fixture *f)
{
    must(mark(f, GFN(0), FRAMES_1G));
    for (uint64_t i = 0; i < 4000; i++)
        add_single(f, mfn_add(RAM, 2 * i));
}

static bool trim_some(struct fixture *f)
{
    count_from_here();
    pod_trim(f->locked, &f->pod);
    count_to_here();
    audit_now_and_then(f);
    return pod_has_surplus(&f->pod);
}

static void lay_surplus(struct fixture *f)
{
    lay_single_frames(f);
    must(set(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_INVALID));
}

static void trimming_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_surplus, trim_some, BLOCKS_BASE });
}

static bool empty_some(struct fixture *f)
{
    enum p2m_error error;

    count_from_here();
    error = pod_empty(f->locked, &f->pod);
    count_to_here();
    audit_now_and_then(f);
    return error == P2M_AGAIN;
}

static void emptying_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_single_frames, empty_some, BLOCKS_BASE });
}

/* ---- merging -------------------------------------------------------------------------------- */

/* More tables became alike than the queue can hold, among many that did not. */
static void lay_candidates(struct fixture *f)
{
    lay_shattered_marks(f);
    for (uint64_t region = 0; region < 1536; region += 40) {
        gfn_t gfn = GFN(region * FRAMES_2M + 3);

        must(set(f, gfn, INVALID_MFN, ORDER_4K, P2M_INVALID));
        must(set(f, gfn, INVALID_MFN, ORDER_4K, P2M_POD));
    }
}

static bool merge_some(struct fixture *f)
{
    count_from_here();
    p2m_merge_candidates(f->locked, &f->debt);
    count_to_here();
    settle_and_pay(f);
    return p2m_has_candidates(&f->p2m);
}

static void looking_for_what_became_alike_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_candidates, merge_some, BLOCKS_BASE });
}

/* A table whose entries become one is alike in the table above it, too. */
static void lay_candidates_above(struct fixture *f)
{
    must(mark(f, GFN(0), FRAMES_1G));
    shatter(f, GFN(0));
    for (uint64_t region = 0; region < 512; region++) {
        gfn_t gfn = GFN(region * FRAMES_2M + 3);

        must(set(f, gfn, INVALID_MFN, ORDER_4K, P2M_INVALID));
        must(set(f, gfn, INVALID_MFN, ORDER_4K, P2M_POD));
    }
}

static void a_whole_gb_of_candidates_comes_together_in_parts(void **state)
{
    struct fixture *f = *state;

    expect_bounded(f, &(struct budget_case){ lay_candidates_above, merge_some, BLOCKS_BASE });
    lay_candidates_above(f);
    f->p2m.config.steps = 1;
    while (merge_some(f))
        ;
    expect_entry(f, GFN(0), INVALID_MFN, ORDER_1G, P2M_POD);
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void lay_slot_to_gather(struct fixture *f)
{
    lay_out_a_slot(f);
    must(decrease(f, SLOT(0), FRAMES_1G));
    map(f, SLOT(0), RAM, ORDER_1G);
    shatter(f, SLOT(0));
}

static bool choose_some(struct fixture *f)
{
    enum p2m_error error;

    count_from_here();
    error = pod_gather_start(f->locked, &f->pod);
    count_to_here();
    return error == P2M_AGAIN;
}

/* It must be found twice. */
static bool choose_twice(struct fixture *f)
{
    return choose_some(f) || !mfn_is_valid(f->pod.gather.block);
}

static void choosing_what_to_gather_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_slot_to_gather, choose_twice, BLOCKS_BASE });
}

static void clear_all(struct fixture *f)
{
    struct pod_grant grant;

    while (pod_clean_begin(f->locked, &f->pod, &grant)) {
        memory_clear(grant.mfn, order_frames(grant.order));
        pod_clean_end(f->locked, &f->pod, &grant);
    }
}

static bool gather_some(struct fixture *f)
{
    struct pod_move move;
    enum p2m_error error;

    if (choose_twice(f))
        return true;
    count_from_here();
    error = pod_gather_next(f->locked, &f->pod, &move, &f->debt);
    count_to_here();
    if (error == P2M_OK)
        move_go_on(f, &move);
    else
        settle_and_pay(f);
    if (error == P2M_BUSY)
        clear_all(f);
    return error != P2M_EMPTY;
}

static void gathering_is_bounded(void **state)
{
    expect_bounded(*state, &(struct budget_case){ lay_slot_to_gather, gather_some, BLOCKS_TABLE });
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Nothing of it is looked at before it is paid for. */
static void taking_the_whole_map_away_is_bounded(void **state)
{
    struct fixture *f = *state;
    enum p2m_error error;

    for (unsigned slot = 0; slot < 3; slot++) {
        map(f, SLOT(slot), mfn_add(RAM, slot * FRAMES_1G), ORDER_1G);
        shatter(f, SLOT(slot));
    }
    pod_settle(f);
    empty_to_the_end(f->locked, &f->pod);
    blocks_most = 0;
    count_from_here();
    p2m_destroy(f->locked, &f->debt);
    count_to_here();
    assert_in_range(blocks_most, 1, 100);
    settle_only(f);
    f->p2m.config.steps = 64;
    blocks_most = calls = 0;
    do {
        count_from_here();
        error = p2m_pay(f->locked, &f->debt);
        count_to_here();
    } while (error == P2M_AGAIN);
    assert_in_range(blocks_most, 1, BLOCKS_BASE + BLOCKS_STEP * 64);
    assert_in_range(calls, 3 * FRAMES_1G / 64, 3 * FRAMES_1G / 32);
    assert_int_equal(memory_returned().frames, 3 * FRAMES_1G);
    assert_int_equal(memory_tables_in_use(), 0);
    assert_int_equal(p2m_create(&f->p2m, &f->config), P2M_OK); /* for the teardown */
    f->locked = p2m_lock(&f->p2m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(paying_for_a_gb_of_small_pages_is_bounded),
        POD_FOR_BOTH_FORMATS(saying_late_bits_again_is_bounded),
        POD_FOR_BOTH_FORMATS(what_leaves_while_late_bits_are_said_again_is_dirty),
        POD_FOR_BOTH_FORMATS(a_debt_that_is_half_paid_takes_nothing_more),
        POD_FOR_BOTH_FORMATS(mapping_many_small_pages_is_bounded),
        POD_FOR_BOTH_FORMATS(changing_the_type_of_many_small_pages_is_bounded),
        POD_FOR_BOTH_FORMATS(mapping_over_tables_of_marks_is_bounded),
        POD_FOR_BOTH_FORMATS(marking_what_is_in_small_marks_is_bounded),
        POD_FOR_BOTH_FORMATS(giving_back_marks_and_small_pages_is_bounded),
        POD_FOR_BOTH_FORMATS(a_call_looks_no_further_than_its_debt_has_room),
        POD_FOR_BOTH_FORMATS(trimming_is_bounded),
        POD_FOR_BOTH_FORMATS(emptying_is_bounded),
        POD_FOR_BOTH_FORMATS(looking_for_what_became_alike_is_bounded),
        POD_FOR_BOTH_FORMATS(a_whole_gb_of_candidates_comes_together_in_parts),
        POD_FOR_BOTH_FORMATS(choosing_what_to_gather_is_bounded),
        POD_FOR_BOTH_FORMATS(gathering_is_bounded),
        POD_FOR_BOTH_FORMATS(taking_the_whole_map_away_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
