/* SPDX-License-Identifier: MIT */
/*
 * p2m/gather.c over layouts that a seed chose: gathering ends, contents and accounts survive, no
 * frame is in two places, and GBs that are whole stay whole. Refuses to know what is worth it.
 */
#include "move_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "choices.h"

#define LAYOUTS    60u /* a format and a test */
#define SLOTS      4u
#define PIECES     512u /* of 2 MB, in 1 GB */
#define BLOCKS     6u   /* GBs of the machine, from 1: slot n is at home in block n + 1 */
#define FIRST_MORE 8u   /* blocks from here on pay the balloon's debt */
#define LEAVES_MAX 3000u
#define STEPS_MAX  5000u
#define EVENTS_MAX 40u

/* What was put where, and the words that it holds. */
struct layout {
    struct choices choices;
    unsigned count;
    struct leaf {
        gfn_t gfn;
        unsigned order;
        uint64_t word;
        bool is_given_back;
    } leaf[LEAVES_MAX];
    bool is_taken[BLOCKS + 1][PIECES];
    unsigned events; /* that are still to come */
    gfn_t moving;    /* where most of them happen */
};

static struct layout the_layout;

/* ---- layouts -------------------------------------------------------------------------------- */

static mfn_t machine_piece(unsigned block, unsigned index)
{
    return MFN(((uint64_t)block << ORDER_1G) + index * FRAMES_2M);
}

static mfn_t last_frame(mfn_t mfn, unsigned order)
{
    return mfn_add(mfn, order_frames(order) - 1);
}

static void place(struct fixture *f, struct layout *layout, gfn_t gfn, mfn_t mfn, unsigned order)
{
    struct leaf leaf = { gfn, order, choices_next(&layout->choices), false };

    assert_true(layout->count < LEAVES_MAX);
    must(set(f, gfn, mfn, order, P2M_RAM_RW));
    if (choose_once_in(&layout->choices, 4)) {
        leaf.word = 0; /* never written to */
    } else {
        *memory_word(mfn) = leaf.word;
        memory_word(last_frame(mfn, order))[1] = leaf.word;
        must(p2m_mark_dirty(f->locked, gfn));
    }
    layout->leaf[layout->count++] = leaf;
}

/* At its own place, but for once in so many times; anywhere where that is taken. */
static mfn_t take_piece(struct layout *layout, unsigned slot, unsigned index, unsigned astray)
{
    unsigned block = slot + 1;

    if (choose_once_in(&layout->choices, astray))
        block = 1 + (unsigned)choose(&layout->choices, BLOCKS);
    while (layout->is_taken[block][index]) {
        block = 1 + (unsigned)choose(&layout->choices, BLOCKS);
        index = (unsigned)choose(&layout->choices, PIECES);
    }
    layout->is_taken[block][index] = true;
    return machine_piece(block, index);
}

/* A few frames of a piece; the others are nobody's, or in hand. */
static void lay_out_frames(struct fixture *f, struct layout *layout, gfn_t gfn, mfn_t mfn)
{
    bool in_hand = choose_once_in(&layout->choices, 2);
    struct pod_account account = pod_account(&f->pod);

    must(pod_cache_reserve(f->locked, &f->pod, 1));
    for (unsigned i = 0; i < FRAMES_2M; i++) {
        if (choose_once_in(&layout->choices, 200))
            place(f, layout, gfn_add(gfn, i), mfn_add(mfn, i), ORDER_4K);
        else if (in_hand && account.cached + i < account.entries)
            pod_cache_add(f->locked, &f->pod, mfn_add(mfn, i), ORDER_4K, POD_CLEAN);
    }
}

static void lay_out_piece(struct fixture *f, struct layout *layout, gfn_t gfn, unsigned astray)
{
    unsigned slot = (unsigned)(gfn.gfn >> ORDER_1G), index = gfn.gfn >> ORDER_2M & (PIECES - 1);
    mfn_t mfn = take_piece(layout, slot, index, astray);

    if (choose_once_in(&layout->choices, 60))
        lay_out_frames(f, layout, gfn, mfn);
    else
        place(f, layout, gfn, mfn, ORDER_2M);
}

enum slot_kind { PROMISED, EMPTY, WHOLE, BEGUN, NEARLY_FULL, RESTS, SLOT_KINDS };

static void lay_out_slot(struct fixture *f, struct layout *layout, unsigned slot,
                         enum slot_kind kind)
{
    gfn_t first = GFN((uint64_t)slot << ORDER_1G);
    unsigned few = 1 + (unsigned)choose(&layout->choices, 20);
    uint64_t once_in = kind == NEARLY_FULL ? PIECES : PIECES / few;

    if (kind == EMPTY)
        return;
    if (kind == WHOLE) {
        place(f, layout, first, machine_piece(slot + 1, 0), ORDER_1G);
        return;
    }
    if (kind != RESTS)
        must(mark(f, first, FRAMES_1G));
    if (kind == PROMISED)
        return;
    for (unsigned index = 0; index < PIECES; index++)
        if (choose_once_in(&layout->choices, once_in) != (kind == NEARLY_FULL))
            lay_out_piece(f, layout, gfn_add(first, index * FRAMES_2M),
                          kind == NEARLY_FULL ? 40 : 4);
}

static void into_hand(struct fixture *f, struct layout *layout, mfn_t mfn, unsigned order)
{
    bool is_dirty = choose_once_in(&layout->choices, 8);

    must(pod_cache_reserve(f->locked, &f->pod, 1));
    if (is_dirty)
        *memory_word(mfn) = 0xd127;
    pod_cache_add(f->locked, &f->pod, mfn, order, is_dirty ? POD_DIRTY : POD_CLEAN);
}

/* What nobody has comes into hand, but for a piece here and there that is the host's. */
static void lay_out_in_hand(struct fixture *f, struct layout *layout)
{
    uint64_t hosts = choose_once_in(&layout->choices, 3) ? 700 : UINT64_MAX;

    for (unsigned block = 1; block <= BLOCKS; block++)
        for (unsigned index = 0; index < PIECES; index++) {
            struct pod_account account = pod_account(&f->pod);

            if (!layout->is_taken[block][index] && !choose_once_in(&layout->choices, hosts) &&
                account.cached + FRAMES_2M <= account.entries)
                into_hand(f, layout, machine_piece(block, index), ORDER_2M);
        }
}

/* Then nothing is owed any more. */
static void pay_the_balloons_debt(struct fixture *f, struct layout *layout)
{
    mfn_t next = machine_piece(FIRST_MORE, 0);

    for (unsigned order = ORDER_1G + ORDER_STEP; order > 0;) {
        order -= ORDER_STEP;
        for (;;) {
            struct pod_account account = pod_account(&f->pod);

            if (account.cached + order_frames(order) > account.entries)
                break;
            into_hand(f, layout, next, order);
            next = mfn_add(next, order_frames(order));
        }
    }
}

static void lay_out(struct fixture *f, struct layout *layout, uint64_t seed)
{
    enum slot_kind kind[SLOTS];

    pod_restart(f, ORDER_1G);
    *layout = (struct layout){ .choices = { .seed = seed } };
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        kind[slot] = (enum slot_kind)choose(&layout->choices, SLOT_KINDS);
        for (unsigned index = 0; index < PIECES; index++)
            layout->is_taken[slot + 1][index] = kind[slot] == WHOLE;
    }
    for (unsigned slot = 0; slot < SLOTS; slot++)
        lay_out_slot(f, layout, slot, kind[slot]);
    lay_out_in_hand(f, layout);
    if (!choose_once_in(&layout->choices, 3))
        pay_the_balloons_debt(f, layout);
    pod_cache_unreserve(f->locked, &f->pod);
    expect_pod_sound(f);
}

/* ---- what must hold ------------------------------------------------------------------------- */

/* A sweep may have taken what is zero. */
static bool holds(struct fixture *f, gfn_t gfn, unsigned index, uint64_t word)
{
    struct p2m_entry entry = get(f, gfn);

    if (entry.type == P2M_POD)
        return word == 0;
    return entry.type == P2M_RAM_RW && memory_word(entry.mfn)[index] == word;
}

static void expect_contents(struct fixture *f, const struct layout *layout)
{
    for (unsigned i = 0; i < layout->count; i++) {
        const struct leaf *leaf = &layout->leaf[i];
        gfn_t last = gfn_add(leaf->gfn, order_frames(leaf->order) - 1);

        if (!leaf->is_given_back &&
            !(holds(f, leaf->gfn, 0, leaf->word) && holds(f, last, 1, leaf->word)))
            fail_msg("gfn %#lx, order %u, lost what it held", leaf->gfn.gfn, leaf->order);
    }
}

static void note_owner(uint8_t *is_owned, mfn_t mfn, unsigned order)
{
    for (uint64_t i = 0; i < order_frames(order); i++) {
        if (is_owned[mfn.mfn + i])
            fail_msg("frame %#lx is in two places", mfn.mfn + i);
        is_owned[mfn.mfn + i] = 1;
    }
}

/* Each frame of the map is there once, and in hand is none of them; what is clean reads as zero.
 * Nothing is in hand afterwards. */
static void expect_one_place_each(struct fixture *f)
{
    static uint8_t *is_owned;
    struct pod_place anywhere = { GFN(0), INVALID_MFN };

    if (!is_owned)
        is_owned = malloc(MEMORY_FRAMES_END);
    assert_non_null(is_owned);
    memset(is_owned, 0, MEMORY_FRAMES_END);
    for (gfn_t gfn = GFN(0); gfn.gfn < f->config.end.gfn;) {
        struct p2m_entry entry = get(f, gfn);

        if (entry.type == P2M_RAM_RW)
            note_owner(is_owned, entry.mfn, entry.order);
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
    for (unsigned order = ORDER_1G + ORDER_STEP; order > 0;) {
        struct pod_block block;

        order -= ORDER_STEP;
        while (block = pod_cache_get(f->locked, &f->pod, order, anywhere),
               mfn_is_valid(block.mfn)) {
            note_owner(is_owned, block.mfn, order);
            assert_true(block.clean == POD_DIRTY || memory_is_zero(block.mfn, order_frames(order)));
        }
    }
}

/* ---- undisturbed ---------------------------------------------------------------------------- */

static uint64_t gather_undisturbed(struct fixture *f, struct layout *layout, uint64_t seed)
{
    struct pod_account before, now;
    uint64_t whole, steps = 0;

    lay_out(f, layout, seed);
    before = pod_account(&f->pod);
    whole = whole_gigabytes(f);
    while (gather_start(f)) {
        (void)gather_step(f);
        if (whole_gigabytes(f) < whole || ++steps > STEPS_MAX)
            fail_msg("seed %#lx: %lu GBs were whole, and %lu are after %lu steps", seed, whole,
                     whole_gigabytes(f), steps);
        whole = whole_gigabytes(f);
    }
    now = pod_account(&f->pod);
    assert_int_equal(now.entries + now.populated, before.entries + before.populated);
    assert_int_equal(now.cached + now.populated, before.cached + before.populated);
    expect_settled(f, pod_account(&f->pod));
    expect_contents(f, layout);
    expect_one_place_each(f);
    return pod_events(&f->pod).gathered;
}

static void gathering_ends_and_loses_nothing(void **state)
{
    uint64_t gathered = 0;

    for (uint64_t seed = 0; seed < LAYOUTS; seed++)
        gathered += gather_undisturbed(*state, &the_layout, seed);
    assert_true(gathered > LAYOUTS / 4); /* else this says nothing */
}

/* ---- disturbed ------------------------------------------------------------------------------ */

static struct leaf *find_leaf(struct layout *layout, gfn_t gfn)
{
    for (unsigned i = 0; i < layout->count; i++)
        if (layout->leaf[i].gfn.gfn == gfn.gfn)
            return &layout->leaf[i];
    return NULL;
}

/* That which is moving, or any other. */
static struct leaf *choose_leaf(struct layout *layout)
{
    if (!choose_once_in(&layout->choices, 3))
        return find_leaf(layout, layout->moving);
    return layout->count ? &layout->leaf[choose(&layout->choices, layout->count)] : NULL;
}

static gfn_t choose_gfn(struct layout *layout)
{
    if (!choose_once_in(&layout->choices, 3))
        return gfn_add(layout->moving, choose(&layout->choices, 2));
    return GFN(choose(&layout->choices, SLOTS << ORDER_1G));
}

/* Only where there is memory: a mark that is moving has to wait. */
static void write_to_one(struct fixture *f, struct layout *layout)
{
    struct leaf *leaf = choose_leaf(layout);
    gfn_t last = leaf ? gfn_add(leaf->gfn, order_frames(leaf->order) - 1) : GFN(0);

    if (!leaf || leaf->is_given_back ||
        p2m_type_class(get(f, leaf->gfn).type) == P2M_CLASS_MARKER ||
        p2m_type_class(get(f, last).type) == P2M_CLASS_MARKER)
        return;
    leaf->word = choices_next(&layout->choices);
    guest_write(f, leaf->gfn, leaf->word);
    guest_write_at(f, last, 1, leaf->word);
}

static void give_one_back(struct fixture *f, struct layout *layout)
{
    struct leaf *leaf = choose_leaf(layout);

    if (!leaf || leaf->order == ORDER_1G || leaf->is_given_back ||
        decrease(f, leaf->gfn, order_frames(leaf->order)) != P2M_OK)
        return;
    leaf->is_given_back = true;
}

/* One in the middle: all that is looked at stays. */
static void give_a_frame_back(struct fixture *f, struct layout *layout)
{
    struct leaf *leaf = choose_leaf(layout);

    if (leaf && leaf->order == ORDER_2M && !leaf->is_given_back)
        must(decrease(f, gfn_add(leaf->gfn, 1 + choose(&layout->choices, FRAMES_2M - 2)), 1));
}

static void touch_any(struct fixture *f, struct layout *layout)
{
    gfn_t gfn = choose_gfn(layout);
    enum p2m_error error = touch(f, gfn);

    if (error == P2M_NO_MEMORY)
        fail_msg("gfn %#lx: no table page", gfn.gfn);
}

static void split_any(struct fixture *f, struct layout *layout)
{
    gfn_t gfn = choose_gfn(layout);

    must(p2m_split(f->locked, gfn, choose_once_in(&layout->choices, 4) ? ORDER_4K : ORDER_2M));
}

static void merge_all(struct fixture *f, struct layout *layout)
{
    (void)layout;
    pod_settle(f);
    p2m_merge_candidates(f->locked, &f->debt);
    pod_settle(f);
}

static void sweep_one(struct fixture *f, struct layout *layout)
{
    struct pod_sweep_kind kind = pod_sweep_kinds[choose(&layout->choices, POD_SWEEP_KINDS)];

    if (kind.order == ORDER_1G)
        kind.order = ORDER_2M; /* reading a whole GB takes long */
    sweep_once(f, kind);
}

static void disturb(struct fixture *f, struct layout *layout)
{
    static void (*const events[])(struct fixture *, struct layout *) = {
        write_to_one, give_one_back, give_a_frame_back, touch_any,
        touch_any,    split_any,     merge_all,         sweep_one,
    };

    if (layout->events == 0 || !choose_once_in(&layout->choices, 4))
        return;
    layout->events--;
    events[choose(&layout->choices, sizeof(events) / sizeof(events[0]))](f, layout);
    expect_pod_sound(f);
}

static void move_on_disturbed(struct fixture *f, struct layout *layout, const struct pod_move *move)
{
    bool is_unmapped;

    disturb(f, layout);
    pod_settle(f);
    disturb(f, layout);
    move_copy(move);
    disturb(f, layout);
    is_unmapped = move_unmap(f, move);
    disturb(f, layout);
    pod_settle(f);
    disturb(f, layout);
    if (is_unmapped)
        move_finish(f, move);
}

static void gather_disturbed(struct fixture *f, struct layout *layout, uint64_t seed)
{
    uint64_t steps = 0;

    lay_out(f, layout, seed);
    layout->events = EVENTS_MAX;
    while (gather_start(f)) {
        struct pod_move move;
        enum p2m_error error;
        struct pod_grant grant;

        disturb(f, layout);
        error = gather_next_to_the_end(f->locked, &f->pod, &move, &f->debt);
        layout->moving = error == P2M_OK ? move.to.gfn : GFN(0);
        if (error == P2M_OK)
            move_on_disturbed(f, layout, &move);
        pod_settle(f);
        if (error == P2M_BUSY && pod_clean_begin(f->locked, &f->pod, &grant)) {
            disturb(f, layout);
            memory_clear(grant.mfn, order_frames(grant.order));
            pod_clean_end(f->locked, &f->pod, &grant);
        }
        if (++steps > STEPS_MAX)
            fail_msg("seed %#lx: gathering goes on for ever", seed);
    }
    expect_settled(f, pod_account(&f->pod));
    expect_contents(f, layout);
    expect_one_place_each(f);
}

static void gathering_ends_and_loses_nothing_while_the_guest_works(void **state)
{
    for (uint64_t seed = 0; seed < LAYOUTS; seed++)
        gather_disturbed(*state, &the_layout, ~seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(gathering_ends_and_loses_nothing),
        POD_FOR_BOTH_FORMATS(gathering_ends_and_loses_nothing_while_the_guest_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
