/* SPDX-License-Identifier: MIT */
/*
 * The cases of pod.h that are about accounts: marks, targets, populates. Those of sweeps and moves
 * are in verb_cases_sweep.c. Refuses to know how they are tried.
 */
#include "verb_cases.h"

#include "to_the_end.h"

/* ---- what goes before ----------------------------------------------------------------------- */

static void nothing(struct trial *t)
{
    (void)t;
}

static void gigabyte_of_marks(struct trial *t)
{
    must(mark(t->f, HERE, FRAMES_1G));
}

static void marks_and_host(struct trial *t)
{
    gigabyte_of_marks(t);
    for (unsigned order = ORDER_4K; order <= ORDER_1G; order += ORDER_STEP)
        memory_give_frames(order, 600);
}

/* A leaf, and more is promised than there is. */
static void gigabyte_in_debt(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    map(t->f, HERE, RAM, ORDER_1G);
    guest_write(t->f, HERE, 1);
}

static void frame_is_owed(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    map(t->f, HERE, RAM, ORDER_4K);
    must(set(t->f, HERE, INVALID_MFN, ORDER_4K, P2M_INVALID));
    fixture_settle(t->f);
}

static void more_in_hand_than_promised(struct trial *t)
{
    gigabyte_of_marks(t);
    hand(t->f, IN_HAND, ORDER_1G, POD_CLEAN);
    must(set(t->f, gfn_add(HERE, 5), INVALID_MFN, ORDER_4K, P2M_INVALID));
}

static void block_in_hand(struct trial *t)
{
    gigabyte_of_marks(t);
    hand(t->f, IN_HAND, t->order, POD_CLEAN);
}

static void block_in_hand_in_debt(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    gigabyte_of_marks(t);
    hand(t->f, IN_HAND, ORDER_1G, POD_CLEAN);
}

static void dirty_block_in_hand(struct trial *t)
{
    gigabyte_of_marks(t);
    hand(t->f, IN_HAND, ORDER_2M, POD_DIRTY);
}

static void block_is_granted(struct trial *t)
{
    dirty_block_in_hand(t);
    assert_int_equal(pod_demand_populate(t->f->locked, &t->f->pod, HERE, &t->grant), P2M_UNCLEAN);
    memory_clear(t->grant.mfn, order_frames(t->grant.order));
}

/* The mark has grown since: to map the block takes a table again. */
static void block_is_granted_for_a_large_mark(struct trial *t)
{
    block_is_granted(t);
    must(p2m_merge(t->f->locked, HERE, ORDER_1G, &t->f->debt));
}

static void block_is_cleared(struct trial *t)
{
    dirty_block_in_hand(t);
    assert_true(pod_clean_begin(t->f->locked, &t->f->pod, &t->grant));
    memory_clear(t->grant.mfn, order_frames(t->grant.order));
}

static void empty_tables(struct trial *t)
{
    map(t->f, HERE, RAM, ORDER_4K);
    must(set(t->f, HERE, INVALID_MFN, ORDER_4K, P2M_INVALID));
}

/* ---- marks ---------------------------------------------------------------------------------- */

static enum p2m_error range_of_order(struct trial *t, unsigned order,
                                     enum p2m_error (*verb)(struct p2m_locked, struct pod *,
                                                            struct gfn_range *, struct p2m_debt *))
{
    struct gfn_range range = { HERE, gfn_add(HERE, order_frames(order)) };

    return verb(t->f->locked, &t->f->pod, &range, &t->f->debt);
}

static enum p2m_error mark_range(struct trial *t)
{
    return range_of_order(t, t->order, pod_mark);
}

static enum p2m_error mark_2m(struct trial *t)
{
    return range_of_order(t, ORDER_2M, pod_mark);
}

static enum p2m_error decrease_range(struct trial *t)
{
    return range_of_order(t, t->order, pod_decrease);
}

static enum p2m_error accept(struct trial *t)
{
    struct p2m_frames frames = { .mfn = IN_HAND, .order = t->order, .type = P2M_RAM_RW };

    return pod_accept(t->f->locked, &t->f->pod, &frames) ? P2M_OK : P2M_NO_MEMORY;
}

static enum p2m_error trim(struct trial *t)
{
    pod_trim(t->f->locked, &t->f->pod);
    return P2M_OK;
}

static enum p2m_error empty(struct trial *t)
{
    empty_to_the_end(t->f->locked, &t->f->pod);
    return P2M_OK;
}

/* ---- targets -------------------------------------------------------------------------------- */

static enum p2m_error cache_target_up(struct trial *t)
{
    return pod_set_cache_target(t->f->locked, &t->f->pod, 2 * FRAMES_2M + 3);
}

static enum p2m_error cache_target_down(struct trial *t)
{
    return pod_set_cache_target(t->f->locked, &t->f->pod, 0);
}

static enum p2m_error target_up(struct trial *t)
{
    return pod_set_target(t->f->locked, &t->f->pod, FRAMES_1G);
}

/* ---- populates ------------------------------------------------------------------------------ */

static enum p2m_error populate(struct trial *t)
{
    return pod_demand_populate(t->f->locked, &t->f->pod, gfn_add(HERE, 0x209), &t->grant);
}

static enum p2m_error look_up(struct trial *t)
{
    struct p2m_entry entry;

    return p2m_gfn_to_mfn(t->f->locked, &t->f->pod, gfn_add(HERE, 0x209), &entry, &t->grant);
}

static enum p2m_error finish_populate(struct trial *t)
{
    return pod_finish_populate(t->f->locked, &t->f->pod, &t->grant);
}

static enum p2m_error clean_begin(struct trial *t)
{
    return pod_clean_begin(t->f->locked, &t->f->pod, &t->grant) ? P2M_OK : P2M_EMPTY;
}

static enum p2m_error clean_end(struct trial *t)
{
    pod_clean_end(t->f->locked, &t->f->pod, &t->grant);
    return P2M_OK;
}

/* clang-format off */
#define ONE   ORDERS_ONE
#define SIZES ORDERS_SIZES
#define ALL   ORDERS_ALL

const struct verb_case verb_cases_pod[] = {
    { "pod_mark", "nothing", nothing, mark_range, ALL, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_mark", "tables of nothing", empty_tables, mark_2m, ONE, OWES, WANTS_ALL, 0 },
    { "pod_decrease", "marks", gigabyte_of_marks, decrease_range, ALL, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_decrease", "frames",
      gigabyte_in_debt, decrease_range, ALL, OWES, WANTS_ALL, P2M_DEBT_MAX },
    { "pod_accept", "what was owed", frame_is_owed, accept, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_trim", "a surplus", more_in_hand_than_promised, trim, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_empty", "a block", block_in_hand, empty, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_set_cache_target", "up",
      marks_and_host, cache_target_up, ONE, OWES_NOTHING, WANTS_LESS, 0 },
    { "pod_set_cache_target", "down",
      block_in_hand, cache_target_down, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_set_target", "up", marks_and_host, target_up, ONE, OWES_NOTHING, WANTS_LESS, 0 },
    { "pod_demand_populate", "a block in hand",
      block_in_hand, populate, SIZES, OWES_NOTHING, WANTS_ALL, 1 },
    { "pod_demand_populate", "1 GB, in debt",
      block_in_hand_in_debt, populate, ONE, OWES_NOTHING, WANTS_LESS, 1 },
    { "pod_finish_populate", "2 MB",
      block_is_granted, finish_populate, ONE, OWES_NOTHING, WANTS_LESS, 1 },
    { "pod_finish_populate", "2 MB of 1 GB",
      block_is_granted_for_a_large_mark, finish_populate, ONE, OWES_NOTHING, WANTS_LESS, 1 },
    { "p2m_gfn_to_mfn", "a mark", block_in_hand, look_up, SIZES, OWES_NOTHING, WANTS_ALL, 1 },
    { "pod_clean_begin", "2 MB",
      dirty_block_in_hand, clean_begin, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_clean_end", "2 MB", block_is_cleared, clean_end, ONE, OWES_NOTHING, WANTS_LESS, 0 },
    { NULL, NULL, NULL, NULL, ONE, OWES_NOTHING, WANTS_ALL, 0 },
};
/* clang-format on */
