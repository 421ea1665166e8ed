/* SPDX-License-Identifier: MIT */
/*
 * The cases of p2m.h: maps, splits, merges, debts. Refuses to know how they are tried.
 */
#include "verb_cases.h"

#include "to_the_end.h"

/* ---- what goes before ----------------------------------------------------------------------- */

static void nothing(struct trial *t)
{
    (void)t;
}

/* A leaf, of which the guest has written the first frame. */
static void leaf_of(struct trial *t, unsigned order)
{
    map(t->f, HERE, RAM, order);
    guest_write(t->f, HERE, 1);
}

static void leaf(struct trial *t)
{
    leaf_of(t, t->order);
}

static void gigabyte(struct trial *t)
{
    leaf_of(t, ORDER_1G);
}

static void read_only_leaf(struct trial *t)
{
    must(set(t->f, HERE, RAM, t->order, P2M_RAM_RO));
}

static void gigabyte_in_frames(struct trial *t)
{
    gigabyte(t);
    must(p2m_split(t->f->locked, HERE, ORDER_4K));
}

static void marks_in_frames(struct trial *t)
{
    must(mark(t->f, HERE, FRAMES_1G));
    must(p2m_split(t->f->locked, HERE, ORDER_4K));
}

static void gigabyte_in_2m(struct trial *t)
{
    map(t->f, HERE, RAM, ORDER_1G);
    must(p2m_split(t->f->locked, HERE, ORDER_2M));
}

static void gigabyte_in_2m_with_one_written(struct trial *t)
{
    gigabyte_in_2m(t);
    guest_write(t->f, gfn_add(HERE, 0x609), 1);
}

static void two_megabytes_in_frames(struct trial *t)
{
    map(t->f, HERE, RAM, ORDER_2M);
    must(p2m_split(t->f->locked, HERE, ORDER_4K));
}

static void two_megabytes_in_frames_with_one_written(struct trial *t)
{
    two_megabytes_in_frames(t);
    guest_write(t->f, gfn_add(HERE, 0x9), 1);
}

static void empty_table(struct trial *t)
{
    leaf_of(t, ORDER_4K);
    must(set(t->f, HERE, INVALID_MFN, ORDER_4K, P2M_INVALID));
    fixture_settle(t->f);
}

static void candidates(struct trial *t)
{
    map(t->f, HERE, RAM, ORDER_1G);
    must(set(t->f, HERE, RAM, ORDER_4K, P2M_RAM_RO));
    must(set(t->f, HERE, RAM, ORDER_4K, P2M_RAM_RW));
    assert_true(p2m_has_candidates(&t->f->p2m));
}

static void pin(struct trial *t)
{
    leaf(t);
    must(p2m_pin(t->f->locked, HERE));
}

/* What the debt holds is settled, and not paid. */
static void settle_only(struct fixture *f)
{
    uint64_t generation = p2m_begin_settle(&f->p2m);

    processor_flush(&f->processor);
    p2m_end_settle(&f->p2m, generation);
}

/* ---- set ------------------------------------------------------------------------------------ */

static enum p2m_error take_out(struct trial *t)
{
    return set(t->f, HERE, INVALID_MFN, t->order, P2M_INVALID);
}

static enum p2m_error make_a_mark(struct trial *t)
{
    return set(t->f, HERE, INVALID_MFN, t->order, P2M_POD);
}

static enum p2m_error make_read_only(struct trial *t)
{
    return set(t->f, HERE, RAM, t->order, P2M_RAM_RO);
}

static enum p2m_error make_leaf(struct trial *t)
{
    return set(t->f, HERE, RAM, t->order, P2M_RAM_RW);
}

static enum p2m_error take_out_a_frame(struct trial *t)
{
    return set(t->f, gfn_add(HERE, 0x209), INVALID_MFN, ORDER_4K, P2M_INVALID);
}

static enum p2m_error take_out_1g(struct trial *t)
{
    return set(t->f, HERE, INVALID_MFN, ORDER_1G, P2M_INVALID);
}

static enum p2m_error map_1g(struct trial *t)
{
    return set(t->f, HERE, RAM, ORDER_1G, P2M_RAM_RW);
}

/* ---- set_range ------------------------------------------------------------------------------ */

/* Two frames, two times 2 MB, two frames. */
static enum p2m_error range_of(struct trial *t, enum p2m_type type)
{
    struct gfn_range range = { gfn_add(HERE, 0x1fe), gfn_add(HERE, 0x602) };
    mfn_t mfn = mfn_add(RAM, 0x1fe);

    return p2m_set_range(t->f->locked, &range, &mfn, type, &t->f->debt);
}

static enum p2m_error range_out(struct trial *t)
{
    return range_of(t, P2M_INVALID);
}

static enum p2m_error range_in(struct trial *t)
{
    return range_of(t, P2M_RAM_RW);
}

static enum p2m_error range_read_only(struct trial *t)
{
    return range_of(t, P2M_RAM_RO);
}

static enum p2m_error range_of_order(struct trial *t)
{
    struct gfn_range range = { HERE, gfn_add(HERE, order_frames(t->order)) };
    mfn_t mfn = RAM;

    return p2m_set_range(t->f->locked, &range, &mfn, P2M_RAM_RO, &t->f->debt);
}

/* ---- split, merge --------------------------------------------------------------------------- */

static enum p2m_error split_2m(struct trial *t)
{
    return p2m_split(t->f->locked, gfn_add(HERE, 0x209), ORDER_2M);
}

static enum p2m_error split_4k(struct trial *t)
{
    return p2m_split(t->f->locked, gfn_add(HERE, 0x209), ORDER_4K);
}

static enum p2m_error merge_2m(struct trial *t)
{
    return p2m_merge(t->f->locked, HERE, ORDER_2M, &t->f->debt);
}

static enum p2m_error merge_1g(struct trial *t)
{
    return p2m_merge(t->f->locked, HERE, ORDER_1G, &t->f->debt);
}

static enum p2m_error merge_all(struct trial *t)
{
    assert_int_equal(p2m_merge_candidates(t->f->locked, &t->f->debt), 2);
    return P2M_OK;
}

/* ---- what the host does itself -------------------------------------------------------------- */

static enum p2m_error mark_dirty(struct trial *t)
{
    return p2m_mark_dirty(t->f->locked, HERE);
}

static enum p2m_error take_a_pin(struct trial *t)
{
    return p2m_pin(t->f->locked, HERE);
}

static enum p2m_error let_a_pin_go(struct trial *t)
{
    p2m_unpin(t->f->locked, HERE);
    return P2M_OK;
}

/* ---- coming and going ----------------------------------------------------------------------- */

static enum p2m_error begin_settle(struct trial *t)
{
    p2m_end_settle(&t->f->p2m, p2m_begin_settle(&t->f->p2m));
    return P2M_OK;
}

/* Another map beside the one under test. */
static enum p2m_error create(struct trial *t)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m other;
    enum p2m_error error = p2m_create(&other, &t->f->config);

    if (error != P2M_OK)
        return error;
    p2m_destroy((struct p2m_locked){ &other }, &debt);
    p2m_end_settle(&other, p2m_begin_settle(&other));
    return p2m_pay((struct p2m_locked){ &other }, &debt);
}

static enum p2m_error destroy(struct trial *t)
{
    p2m_destroy(t->f->locked, &t->f->debt);
    return P2M_OK;
}

static void leaf_is_owed(struct trial *t)
{
    leaf(t);
    must(take_out(t));
    settle_only(t->f);
}

static void merge_is_owed(struct trial *t)
{
    two_megabytes_in_frames(t);
    guest_read(t->f, gfn_add(HERE, 5));
    must(merge_2m(t));
    guest_write(t->f, gfn_add(HERE, 5), 1); /* through the dead table */
    settle_only(t->f);
}

static void subtree_is_owed(struct trial *t)
{
    gigabyte_in_frames(t);
    must(take_out_1g(t));
    settle_only(t->f);
}

static enum p2m_error pay(struct trial *t)
{
    pay_to_the_end(t->f->locked, &t->f->debt);
    return P2M_OK;
}

/* clang-format off */
#define ONE   ORDERS_ONE
#define SIZES ORDERS_SIZES
#define ALL   ORDERS_ALL
#define MANY  CHANGES_MANY

const struct verb_case verb_cases_map[] = {
    { "p2m_create", "beside another", gigabyte, create, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_destroy", "leaves of all sizes", gigabyte_in_frames, destroy, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_set_entry", "a leaf leaves", leaf, take_out, SIZES, OWES, WANTS_ALL, 1 },
    { "p2m_set_entry", "a leaf becomes a mark", leaf, make_a_mark, SIZES, OWES, WANTS_ALL, 1 },
    { "p2m_set_entry", "rights go", leaf, make_read_only, SIZES, OWES, WANTS_ALL, 1 },
    { "p2m_set_entry", "rights come",
      read_only_leaf, make_leaf, SIZES, OWES_IN_VAIN, WANTS_ALL, 1 },
    { "p2m_set_entry", "a leaf where nothing was",
      nothing, make_leaf, SIZES, OWES_NOTHING, WANTS_ALL, 1 },
    { "p2m_set_entry", "a frame of 1 GB leaves",
      gigabyte, take_out_a_frame, ONE, OWES, WANTS_ALL, 1 },
    { "p2m_set_entry", "a subtree leaves",
      gigabyte_in_frames, take_out_1g, ONE, OWES, WANTS_ALL, 1 },
    { "p2m_set_entry", "a leaf for a table of marks",
      marks_in_frames, map_1g, ONE, OWES, WANTS_ALL, 1 },
    { "p2m_set_range", "pieces leave", gigabyte, range_out, ONE, OWES, WANTS_ALL, 6 },
    { "p2m_set_range", "pieces where nothing was",
      nothing, range_in, ONE, OWES_NOTHING, WANTS_ALL, 6 },
    { "p2m_set_range", "rights of pieces go", gigabyte, range_read_only, ONE, OWES, WANTS_ALL, 6 },
    { "p2m_set_range", "rights of any length go",
      gigabyte, range_of_order, ALL, OWES, WANTS_ALL, MANY },
    { "p2m_split", "1 GB into 2 MB", gigabyte, split_2m, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_split", "1 GB into 4 KB", gigabyte, split_4k, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_merge", "4 KB into 2 MB", two_megabytes_in_frames, merge_2m, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_merge", "2 MB into 1 GB", gigabyte_in_2m, merge_1g, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_merge", "4 KB into 2 MB, one was written",
      two_megabytes_in_frames_with_one_written, merge_2m, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_merge", "2 MB into 1 GB, one was written",
      gigabyte_in_2m_with_one_written, merge_1g, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_merge", "marks", marks_in_frames, merge_2m, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_merge", "nothing", empty_table, merge_2m, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_merge_candidates", "two tables", candidates, merge_all, ONE, OWES, WANTS_ALL, 0 },
    { "p2m_mark_dirty", "a leaf", leaf, mark_dirty, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_pin", "a frame", leaf, take_a_pin, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_unpin", "a frame", pin, let_a_pin_go, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_begin_settle", "and its end", leaf, begin_settle, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_end_settle", "and its beginning", leaf, begin_settle, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_pay", "for a leaf", leaf_is_owed, pay, SIZES, OWES_NOTHING, WANTS_LESS, 0 },
    { "p2m_pay", "for a merge", merge_is_owed, pay, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_pay", "for a subtree", subtree_is_owed, pay, ONE, OWES_NOTHING, WANTS_LESS, 0 },
    { NULL, NULL, NULL, NULL, ONE, OWES_NOTHING, WANTS_ALL, 0 },
};
/* clang-format on */
