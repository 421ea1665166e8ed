/* SPDX-License-Identifier: MIT */
/*
 * All verbs, one store at a time: behind every store to a table that a walker can reach, each guest
 * frame is translated as before the verb or as after it, once and for all; and a D bit that the
 * processor sets just before that store is not lost. A change of type that is not carried out yet
 * stops every walk: there a walker may also find what look-ups said before the verb; and whoever is
 * stopped when it is over goes on after p2m_recalculate, with the rights that look-ups say.
 */
#include "trial.h"

/* What look-ups said before the verb: there is nobody to stop a walk any more. */
static struct view meant;

static void begin(struct trials *trials)
{
    struct fixture *f = trials->trial.f;

    trial_begin(trials);
    if (p2m_is_changing(&f->p2m)) {
        trial_carry_out(trials);
        view_take(&meant, &f->processor);
        trial_begin(trials);
    } else {
        view_take(&meant, &f->processor);
    }
}

static struct watched act(struct trials *trials, enum meddling meddling)
{
    struct fixture *f = trials->trial.f;
    struct watched watched;
    enum p2m_error error;

    begin(trials);
    watch_begin(&f->processor, meddling);
    error = trials->now->act(&trials->trial);
    watched = watch_end();
    if (error != P2M_OK)
        TRIAL_FAIL(trials, "%s", p2m_error_name(error));
    return watched;
}

static void expect_old_or_new(const struct trials *trials, const struct watched *watched)
{
    const struct view *after = watched->view[watched->views - 1];

    for (unsigned i = 1; i < watched->views; i++) {
        gfn_t gfn = view_find_mixture(watched->view[i - 1], watched->view[i], after, &meant);

        if (gfn.gfn != UINT64_MAX)
            TRIAL_FAIL(trials, "change %u of %u: gfn %#lx is neither as it was nor as it will be",
                       i, watched->views - 1, gfn.gfn);
    }
    if (watched->views - 1 > trials->now->changes)
        TRIAL_FAIL(trials, "a walker sees %u changes, not %u", watched->views - 1,
                   trials->now->changes);
}

/* Whoever is stopped now is let go, and finds what look-ups say. */
static void expect_mended(struct trials *trials, const struct view *after)
{
    struct fixture *f = trials->trial.f;

    for (unsigned i = 0; i < after->stretches; i++) {
        gfn_t gfn = after->stretch[i].gfn;
        unsigned rights;

        if (after->stretch[i].rights != 0)
            continue;
        if (!p2m_recalculate(f->locked, gfn))
            TRIAL_FAIL(trials, "gfn %#lx is stopped for ever", gfn.gfn);
        rights = processor_look(&f->processor, gfn).rights;
        if (rights != p2m_type_rights(get(f, gfn).type))
            TRIAL_FAIL(trials, "gfn %#lx is let go with rights %u", gfn.gfn, rights);
    }
}

static void a_walker_sees_old_or_new_at_every_store(void **state)
{
    struct trials trials = trials_of(*state, ORDERS_SIZES);
    unsigned stores = 0;

    while (trials_next(&trials)) {
        struct watched watched = act(&trials, WATCH_ONLY);

        expect_old_or_new(&trials, &watched);
        expect_mended(&trials, watched.view[watched.views - 1]);
        stores += watched.stores;
    }
    assert_in_range(stores, 100, 100000);
}

static void no_bit_that_is_set_just_before_a_store_is_lost(void **state)
{
    struct trials trials = trials_of(*state, ORDERS_SIZES);
    unsigned writes = 0;

    while (trials_next(&trials)) {
        struct watched watched = act(&trials, WATCH_AND_WRITE);

        expect_old_or_new(&trials, &watched);
        if (trials.trial.f->debt.flush)
            fixture_settle(trials.trial.f);
        trial_expect_dirty(&trials, watched.write, watched.writes);
        writes += watched.writes;
    }
    assert_in_range(writes, 50, 100000);
}

/* The one exception, and why it does no harm: rights go and come back, the frame is there all along,
 * and a processor that saw it faults once more, at worst. */
static void a_move_without_a_block_holds_for_an_instant(void **state)
{
    struct fixture *f = *state;
    struct pod_place place = { GFN(0x40000), INVALID_MFN };
    struct pod_move move = { .where = POD_ANYWHERE };
    struct watched watched;
    enum p2m_error error;

    map(f, place.gfn, MFN(0x40000), ORDER_2M);
    watch_begin(&f->processor, WATCH_ONLY);
    error = pod_move_begin(f->locked, &f->pod, &move, &place, &f->debt);
    watched = watch_end();
    assert_int_equal(error, P2M_EMPTY);
    assert_int_equal(watched.views, 3);
    assert_true(view_is_same(watched.view[0], watched.view[2]));
    assert_int_equal(watched.view[1]->stretches, 1);
    assert_int_equal(watched.view[1]->stretch[0].mfn.mfn, 0x40000);
    assert_int_equal(watched.view[1]->stretch[0].frames, FRAMES_2M);
    assert_int_equal(watched.view[1]->stretch[0].rights, ACCESS_READ | ACCESS_EXECUTE);
}

/* The recorder itself: a plain store to a live entry is seen, whoever makes it. */
static void a_store_behind_the_engine_s_back_is_seen(void **state)
{
    struct fixture *f = *state;
    struct watched watched;
    _Atomic uint64_t *root =
        (_Atomic uint64_t *)((char *)memory_direct_map() + (f->p2m.root.mfn << FRAME_SHIFT));
    uint64_t entry;

    map(f, GFN(0x40000), MFN(0x40000), ORDER_1G);
    entry = *root;
    watch_begin(&f->processor, WATCH_ONLY);
    *root = 0;
    *root = entry;
    watched = watch_end();
    assert_int_equal(watched.stores, 2);
    assert_int_equal(watched.views, 3);
    assert_int_equal(
        view_find_mixture(watched.view[0], watched.view[1], watched.view[2], watched.view[0]).gfn,
        0x40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIAL_FOR_BOTH_FORMATS(a_walker_sees_old_or_new_at_every_store),
        TRIAL_FOR_BOTH_FORMATS(no_bit_that_is_set_just_before_a_store_is_lost),
        TRIAL_FOR_BOTH_FORMATS(a_move_without_a_block_holds_for_an_instant),
        TRIAL_FOR_BOTH_FORMATS(a_store_behind_the_engine_s_back_is_seen),
    };

    return cmocka_run_group_tests_name("every_store", tests, NULL, NULL);
}
