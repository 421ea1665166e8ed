/* SPDX-License-Identifier: MIT */
/*
 * What the audits say of a map or an account that is wrong in one way, and sound in every other.
 */
#include "pod_fixture.h"

#define HERE GFN(FRAMES_2M)
#define RAM  MFN(0x40000)

static void expect_pod_reason(struct fixture *f, const char *what)
{
    struct pod_audit report;

    expect_sound(f); /* the map is */
    pod_audit(f->locked, &f->pod, &report);
    assert_int_equal(report.errors, 1);
    assert_int_equal(report.cache.errors, 0);
    assert_string_equal(report.what, what);
}

static void more_in_hand_than_was_promised_is_told(void **state)
{
    struct fixture *f = *state;

    must(mark(f, HERE, 3));
    hand(f, RAM, ORDER_4K, POD_CLEAN);
    must(pod_cache_reserve(f->locked, &f->pod, 1));
    pod_cache_add(f->locked, &f->pod, mfn_add(RAM, FRAMES_2M), ORDER_2M, POD_CLEAN);
    expect_pod_reason(f, "more frames in hand than were promised");
    pod_trim(f->locked, &f->pod);
    expect_pod_sound(f);
}

static const char unfinished[] = "something is held or moving, and no sweep or move is under way";

static void a_leaf_that_is_held_while_nobody_sweeps_is_told(void **state)
{
    static const enum p2m_type held[] = { P2M_RAM_HELD, P2M_RAM_COPIED };
    struct fixture *f = *state;

    map(f, HERE, RAM, ORDER_2M);
    for (unsigned i = 0; i < 2; i++) {
        must(set(f, HERE, RAM, ORDER_2M, held[i]));
        expect_pod_reason(f, unfinished);
        pod_release(f->locked, &f->pod, HERE);
        expect_pod_sound(f);
    }
}

static void a_mark_of_a_move_that_nobody_makes_is_told(void **state)
{
    struct fixture *f = *state;

    must(mark(f, HERE, FRAMES_2M));
    must(set(f, HERE, INVALID_MFN, ORDER_2M, P2M_POD_MOVING));
    expect_pod_reason(f, unfinished);
    must(set(f, HERE, INVALID_MFN, ORDER_2M, P2M_POD));
    pod_settle(f);
}

static void a_leaf_beyond_the_machines_frames_is_told(void **state)
{
    struct fixture *f = *state;
    mfn_t end = f->p2m.config.mfn_end;
    struct p2m_audit report;

    map(f, HERE, RAM, ORDER_2M);
    f->p2m.config.mfn_end = mfn_add(RAM, FRAMES_2M);
    expect_pod_sound(f); /* the last frame is one of them */
    f->p2m.config.mfn_end = mfn_add(RAM, FRAMES_2M - 1);
    report = audit(f);
    assert_int_equal(report.errors, 1);
    assert_string_equal(report.detail[0].what, "leaf beyond the machine's frames");
    assert_int_equal(report.detail[0].gfn.gfn, HERE.gfn);
    f->p2m.config.mfn_end = end;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(more_in_hand_than_was_promised_is_told),
        POD_FOR_BOTH_FORMATS(a_leaf_that_is_held_while_nobody_sweeps_is_told),
        POD_FOR_BOTH_FORMATS(a_mark_of_a_move_that_nobody_makes_is_told),
        POD_FOR_BOTH_FORMATS(a_leaf_beyond_the_machines_frames_is_told),
    };

    return cmocka_run_group_tests_name("audit_reasons", tests, NULL, NULL);
}
