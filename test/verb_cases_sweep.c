/* SPDX-License-Identifier: MIT */
/*
 * The cases of pod.h that take several steps: sweeps, moves, gathering. Refuses to know how they
 * are tried.
 */
#include "verb_cases.h"

#include "gather_layout.h"

#define NOT_ZERO 0x5ec7e7

/* ---- sweeps --------------------------------------------------------------------------------- */

static void marks_and_leaf(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    map(t->f, HERE, RAM, t->order);
}

/* Its samples are zero; one word is not. */
static void written_leaf(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    map(t->f, HERE, RAM, ORDER_2M);
    guest_write_at(t->f, gfn_add(HERE, 3), 11, NOT_ZERO);
}

static void gigabyte_in_debt(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    map(t->f, HERE, RAM, ORDER_1G);
}

static enum p2m_error protect(struct trial *t, struct pod_sweep_kind kind)
{
    return pod_sweep_protect(t->f->locked, &t->f->pod, kind, &t->sweep, &t->f->debt);
}

static enum p2m_error protect_leaf(struct trial *t)
{
    return protect(t, sweep_leaves[order_size(t->order)]);
}

static enum p2m_error protect_pieces(struct trial *t)
{
    return protect(t, sweep_pieces[order_size(ORDER_2M)]);
}

static void held(struct trial *t)
{
    marks_and_leaf(t);
    must(protect_leaf(t));
}

static void held_and_written(struct trial *t)
{
    written_leaf(t);
    must(protect(t, sweep_leaves[order_size(ORDER_2M)]));
    pod_settle(t->f);
    sweep_scan(t->f, &t->sweep);
    assert_false(t->sweep.item[0].is_zero);
}

static enum p2m_error scan(struct trial *t)
{
    sweep_scan(t->f, &t->sweep);
    return t->sweep.item[0].is_zero ? P2M_OK : P2M_AGAIN;
}

static enum p2m_error finish(struct trial *t)
{
    (void)pod_sweep_finish(t->f->locked, &t->f->pod, &t->sweep, &t->f->debt);
    return P2M_OK;
}

static enum p2m_error release(struct trial *t)
{
    pod_release(t->f->locked, &t->f->pod, HERE);
    return P2M_OK;
}

/* ---- moves ---------------------------------------------------------------------------------- */

/* Blocks in hand, and a leaf that may move. */
static void leaf_of_2m(struct trial *t)
{
    written_leaf(t);
    hand(t->f, IN_HAND, ORDER_1G, POD_CLEAN);
}

static enum p2m_error begin(struct trial *t)
{
    struct pod_place place = { HERE, INVALID_MFN };

    t->move = (struct pod_move){ .where = POD_ANYWHERE };
    return pod_move_begin(t->f->locked, &t->f->pod, &t->move, &place, &t->f->debt);
}

static void copied(struct trial *t)
{
    leaf_of_2m(t);
    must(begin(t));
    pod_settle(t->f);
    move_copy(&t->move);
}

static enum p2m_error unmap(struct trial *t)
{
    return pod_move_unmap(t->f->locked, &t->f->pod, &t->move, &t->f->debt) ? P2M_OK : P2M_AGAIN;
}

static void on_its_way(struct trial *t)
{
    copied(t);
    must(unmap(t));
}

static enum p2m_error finish_move(struct trial *t)
{
    pod_move_finish(t->f->locked, &t->f->pod, &t->move);
    return P2M_OK;
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void gatherable(struct trial *t)
{
    lay_out_a_block(t->f);
}

static void gathering(struct trial *t)
{
    lay_out_a_block(t->f);
    assert_true(gather_start(t->f));
}

static enum p2m_error gather_next(struct trial *t)
{
    return pod_gather_next(t->f->locked, &t->f->pod, &t->move, &t->f->debt);
}

/* All that the slot has is at its place, but not all of it is there. */
static void slot_to_complete(struct trial *t)
{
    lay_out_a_slot(t->f);
    assert_true(gather_start(t->f));
    for (unsigned step = 0; step < 4; step++)
        assert_int_equal(gather_step(t->f), P2M_OK);
    while (pod_clean_begin(t->f->locked, &t->f->pod, &t->grant)) {
        memory_clear(t->grant.mfn, order_frames(t->grant.order));
        pod_clean_end(t->f->locked, &t->f->pod, &t->grant);
    }
}

static enum p2m_error complete(struct trial *t)
{
    uint64_t gathered = gbs_gathered(t->f);

    assert_int_equal(gather_next(t), P2M_EMPTY);
    assert_int_equal(gbs_gathered(t->f), gathered + 1);
    return P2M_OK;
}

static enum p2m_error start(struct trial *t)
{
    return gather_start(t->f) ? P2M_OK : P2M_EMPTY;
}

/* clang-format off */
#define ONE   ORDERS_ONE
#define SIZES ORDERS_SIZES

const struct verb_case verb_cases_sweep[] = {
    { "pod_sweep_protect", "a leaf", marks_and_leaf, protect_leaf, SIZES, OWES, WANTS_ALL, 1 },
    { "pod_sweep_protect", "pieces of 1 GB",
      gigabyte_in_debt, protect_pieces, ONE, OWES, WANTS_ALL, POD_SWEEP_MAX },
    { "pod_sweep_scan", "a leaf", held, scan, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_sweep_finish", "zeroes are taken", held, finish, SIZES, OWES, WANTS_ALL, 1 },
    { "pod_sweep_finish", "what is written stays",
      held_and_written, finish, ONE, OWES_NOTHING, WANTS_ALL, 1 },
    { "pod_release", "a leaf", held, release, SIZES, OWES_NOTHING, WANTS_ALL, 1 },
    { "pod_move_begin", "2 MB", leaf_of_2m, begin, ONE, OWES, WANTS_ALL, 1 },
    { "pod_move_unmap", "2 MB", copied, unmap, ONE, OWES, WANTS_ALL, 1 },
    { "pod_move_finish", "2 MB", on_its_way, finish_move, ONE, OWES_NOTHING, WANTS_ALL, 1 },
    { "pod_gather_start", "a block", gatherable, start, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_gather_next", "a move", gathering, gather_next, ONE, OWES, WANTS_ALL, 1 },
    { "pod_gather_next", "a slot is completed",
      slot_to_complete, complete, ONE, OWES, WANTS_ALL, CHANGES_MANY },
    { NULL, NULL, NULL, NULL, ONE, OWES_NOTHING, WANTS_ALL, 0 },
};
/* clang-format on */
