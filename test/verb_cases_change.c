/* SPDX-License-Identifier: MIT */
/*
 * The cases of change.h, log_dirty.h and current.h: types change, at once, lazily, and as a log of
 * what was written. Refuses to know how they are tried.
 */
#include "verb_cases.h"

#define IN_2M gfn_add(HERE, FRAMES_1G) /* a GB in leaves of 2 MB; the second is in frames */
#define FRAME gfn_add(IN_2M, FRAMES_2M + 9)

/* ---- what goes before ----------------------------------------------------------------------- */

/* A GB as a leaf, one in pieces; of each the guest has written a frame. */
static void two_gigabytes(struct trial *t)
{
    map(t->f, HERE, RAM, ORDER_1G);
    map(t->f, IN_2M, mfn_add(RAM, FRAMES_1G), ORDER_1G);
    must(p2m_split(t->f->locked, FRAME, ORDER_4K));
    guest_write(t->f, HERE, 1);
    guest_write(t->f, FRAME, 1);
}

static void leaf(struct trial *t)
{
    map(t->f, HERE, RAM, t->order);
    guest_write(t->f, HERE, 1);
}

static void read_only(struct trial *t)
{
    two_gigabytes(t);
    must(p2m_change_type_global(t->f->locked, P2M_RAM_RW, P2M_RAM_RO, &t->f->debt));
    while (p2m_finish_type_change(t->f->locked, ONE_TABLE) == P2M_AGAIN)
        ;
}

static void change_waits(struct trial *t)
{
    two_gigabytes(t);
    must(p2m_change_type_global(t->f->locked, P2M_RAM_RW, P2M_RAM_RO, &t->f->debt));
    assert_true(p2m_is_changing(&t->f->p2m));
}

static void log_writes(struct trial *t)
{
    two_gigabytes(t);
    must(p2m_log_dirty_start(t->f->locked, P2M_LOG_WRITES, ORDER_4K, &t->f->debt));
}

/* Nothing waits, and one frame is dirty. */
static void one_is_dirty(struct trial *t)
{
    log_writes(t);
    while (p2m_finish_type_change(t->f->locked, ONE_TABLE) == P2M_AGAIN)
        ;
    assert_true(p2m_log_dirty_write(t->f->locked, FRAME));
}

static void log_dirty_bits(struct trial *t)
{
    two_gigabytes(t);
    must(p2m_log_dirty_start(t->f->locked, P2M_LOG_DIRTY_BITS, ORDER_4K, &t->f->debt));
}

static void block_in_hand(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    hand(t->f, IN_HAND, t->order, POD_CLEAN);
    p2m_current_create(&t->current, &t->f->pod);
}

/* ---- types ---------------------------------------------------------------------------------- */

static enum p2m_error change_one(struct trial *t)
{
    return p2m_change_type_one(t->f->locked, HERE, P2M_RAM_RW, P2M_RAM_RO, &t->f->debt);
}

/* What waits there comes first: it is read-only for a moment. */
static enum p2m_error change_one_back(struct trial *t)
{
    return p2m_change_type_one(t->f->locked, FRAME, P2M_RAM_RO, P2M_RAM_RW, &t->f->debt);
}

/* Its ends are in a leaf of 1 GB, and in one of 2 MB. */
static enum p2m_error change_range(struct trial *t)
{
    struct gfn_range range = { gfn_add(HERE, FRAMES_1G - 9), gfn_add(IN_2M, 4 * FRAMES_2M + 5) };

    return p2m_change_type_range(t->f->locked, range, P2M_RAM_RW, P2M_RAM_RO, &t->f->debt);
}

static enum p2m_error change_all(struct trial *t)
{
    return p2m_change_type_global(t->f->locked, P2M_RAM_RW, P2M_RAM_RO, &t->f->debt);
}

static enum p2m_error change_all_back(struct trial *t)
{
    return p2m_change_type_global(t->f->locked, P2M_RAM_RO, P2M_RAM_RW, &t->f->debt);
}

static enum p2m_error recalculate(struct trial *t)
{
    return p2m_recalculate(t->f->locked, FRAME) ? P2M_OK : P2M_UNEQUAL;
}

static enum p2m_error finish(struct trial *t)
{
    while (p2m_finish_type_change(t->f->locked, 1) == P2M_AGAIN)
        ;
    return p2m_is_changing(&t->f->p2m) ? P2M_AGAIN : P2M_OK;
}

/* ---- the log -------------------------------------------------------------------------------- */

static enum p2m_error start_writes(struct trial *t)
{
    return p2m_log_dirty_start(t->f->locked, P2M_LOG_WRITES, ORDER_4K, &t->f->debt);
}

static enum p2m_error start_dirty_bits(struct trial *t)
{
    return p2m_log_dirty_start(t->f->locked, P2M_LOG_DIRTY_BITS, ORDER_4K, &t->f->debt);
}

static enum p2m_error write_frame(struct trial *t)
{
    return p2m_log_dirty_write(t->f->locked, FRAME) ? P2M_OK : P2M_UNEQUAL;
}

/* The piece is the whole leaf where there is no page for tables. */
static enum p2m_error write_leaf(struct trial *t)
{
    return p2m_log_dirty_write(t->f->locked, gfn_add(HERE, 5)) ? P2M_OK : P2M_UNEQUAL;
}

static enum p2m_error collect(struct trial *t)
{
    static uint64_t bits[2 * (1 << ORDER_1G) / 64];
    const struct p2m_dirty dirty = { HERE, bits };
    struct gfn_range range = { HERE, gfn_add(HERE, 2 * FRAMES_1G) };
    enum p2m_error error;

    do
        error = p2m_log_dirty_collect(t->f->locked, &range, &dirty, &t->f->debt);
    while (error == P2M_AGAIN);
    return error;
}

static enum p2m_error stop(struct trial *t)
{
    return p2m_log_dirty_stop(t->f->locked, &t->f->debt);
}

/* ---- the running guest's look-up ------------------------------------------------------------ */

static enum p2m_error look_up(struct trial *t)
{
    struct p2m_entry entry;

    return p2m_gfn_to_mfn_current(t->f->locked, &t->current, PROMISED, &entry, &t->grant);
}

/* clang-format off */
#define ONE   ORDERS_ONE
#define SIZES ORDERS_SIZES

const struct verb_case verb_cases_change[] = {
    { "p2m_change_type_one", "a frame", leaf, change_one, SIZES, OWES, WANTS_ALL, 1 },
    { "p2m_change_type_one", "a frame that waits",
      change_waits, change_one_back, ONE, OWES_IN_VAIN, WANTS_ALL, 4 },
    { "p2m_change_type_range", "rights go", two_gigabytes, change_range, ONE, OWES, WANTS_ALL, 18 },
    { "p2m_change_type_global", "rights go", two_gigabytes, change_all, ONE, OWES, WANTS_ALL, 1 },
    { "p2m_change_type_global", "rights come",
      read_only, change_all_back, ONE, OWES_IN_VAIN, WANTS_ALL, 1 },
    { "p2m_change_type_global", "back again, while it waits",
      change_waits, change_all_back, ONE, OWES_IN_VAIN, WANTS_ALL, 0 },
    { "p2m_recalculate", "three tables",
      change_waits, recalculate, ONE, OWES_NOTHING, WANTS_ALL, 3 },
    { "p2m_finish_type_change", "two GB", change_waits, finish, ONE, OWES_NOTHING, WANTS_ALL, 5 },
    { "p2m_log_dirty_start", "by write protection",
      two_gigabytes, start_writes, ONE, OWES, WANTS_ALL, 1 },
    { "p2m_log_dirty_start", "by D bits",
      two_gigabytes, start_dirty_bits, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_log_dirty_write", "a frame that waits",
      log_writes, write_frame, ONE, OWES_NOTHING, WANTS_ALL, 4 },
    { "p2m_log_dirty_write", "a frame of 1 GB that waits",
      log_writes, write_leaf, ONE, OWES_NOTHING, WANTS_LESS, 3 },
    { "p2m_log_dirty_collect", "by write protection",
      one_is_dirty, collect, ONE, OWES, WANTS_ALL, 1 },
    { "p2m_log_dirty_collect", "by D bits",
      log_dirty_bits, collect, ONE, OWES_IN_VAIN, WANTS_LESS, 0 },
    { "p2m_log_dirty_stop", "by write protection",
      one_is_dirty, stop, ONE, OWES_IN_VAIN, WANTS_ALL, 1 },
    { "p2m_log_dirty_stop", "while the start waits",
      log_writes, stop, ONE, OWES_IN_VAIN, WANTS_ALL, 0 },
    { "p2m_log_dirty_stop", "by D bits",
      log_dirty_bits, stop, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "p2m_gfn_to_mfn_current", "a mark",
      block_in_hand, look_up, SIZES, OWES_NOTHING, WANTS_ALL, 1 },
    { NULL, NULL, NULL, NULL, ONE, OWES_NOTHING, WANTS_ALL, 0 },
};
/* clang-format on */
