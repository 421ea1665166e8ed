/* SPDX-License-Identifier: MIT */
/*
 * What the audits say of a map or an account that is wrong in one way, and sound in every other.
 */
#include "pod_fixture.h"

#include "p2m/table.h"

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

/* A target did what the trim had begun: what comes after that is the audit's again. */
static void a_target_ends_a_trim(void **state)
{
    struct fixture *f = *state;
    uint64_t steps = f->p2m.config.steps;

    must(mark(f, HERE, 3 * FRAMES_2M));
    for (unsigned i = 0; i < 3; i++)
        hand(f, mfn_add(RAM, i * FRAMES_2M), ORDER_2M, POD_CLEAN);
    f->p2m.config.steps = 1;
    must(set(f, HERE, INVALID_MFN, ORDER_2M, P2M_INVALID));
    must(set(f, gfn_add(HERE, FRAMES_2M), INVALID_MFN, ORDER_2M, P2M_INVALID));
    pod_trim(f->locked, &f->pod);
    assert_true(pod_has_surplus(&f->pod));
    assert_int_equal(pod_account(&f->pod).cached, 2 * FRAMES_2M); /* one step is one block */
    expect_pod_sound(f);
    must(pod_set_cache_target(f->locked, &f->pod, FRAMES_2M));
    assert_false(pod_has_surplus(&f->pod));
    must(set(f, gfn_add(HERE, 2 * FRAMES_2M), INVALID_MFN, ORDER_2M, P2M_INVALID));
    expect_pod_reason(f, "more frames in hand than were promised");
    f->p2m.config.steps = steps;
    pod_trim(f->locked, &f->pod);
    fixture_settle(f);
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

static void a_hold_that_nobody_has_is_told(void **state)
{
    struct fixture *f = *state;

    f->p2m.holds = 1;
    expect_pod_reason(f, "the map counts other sweeps and moves than are under way");
    f->p2m.holds = 0;
}

static void expect_map_reason(struct fixture *f, const char *what)
{
    struct p2m_audit report = audit(f);

    assert_int_equal(report.errors, 1);
    assert_string_equal(report.detail[0].what, what);
}

static void a_candidate_that_nobody_will_look_at_is_told(void **state)
{
    static const char lost[] = "a candidate for a merge, and in no queue";
    struct fixture *f = *state;
    mfn_t table;

    map(f, HERE, RAM, ORDER_2M);
    must(p2m_split(f->locked, HERE, ORDER_4K));
    table = slot_table(&f->p2m, table_find(&f->p2m, HERE, 0));
    p2m_host_table_info(&f->p2m, table)->candidate = 1;
    expect_map_reason(f, lost);
    f->p2m.candidate_count = 1;
    f->p2m.candidate[0] = (struct p2m_candidate){ gfn_add(HERE, FRAMES_2M), ORDER_2M };
    expect_map_reason(f, lost);
    f->p2m.candidate[0] = (struct p2m_candidate){ gfn_add(HERE, FRAMES_2M), 0 };
    expect_map_reason(f, lost);
    f->p2m.candidate[0] = (struct p2m_candidate){ gfn_add(HERE, FRAMES_2M - 1), 0 };
    expect_sound(f);
    f->p2m.candidate[0] = (struct p2m_candidate){ HERE, ORDER_2M };
    expect_sound(f);
    p2m_merge_candidates(f->locked, &f->debt);
    fixture_settle(f);
    assert_int_equal(get(f, HERE).order, ORDER_2M);
}

static void a_change_that_makes_no_sense_is_told(void **state)
{
    static const char where[] = "a change whose range and cursor make no sense";
    static const char what[] = "a change between types that may not change";
    struct fixture *f = *state;
    struct gfn_range range = { HERE, GFN(3 * FRAMES_2M) };
    struct p2m_pending good = { P2M_RAM_RW, P2M_RAM_RO, range, HERE };

    f->p2m.pending = good;
    expect_sound(f);
    f->p2m.pending.cursor = GFN(HERE.gfn - 1);
    expect_map_reason(f, where);
    f->p2m.pending.cursor = range.end;
    expect_map_reason(f, where);
    f->p2m.pending = good;
    f->p2m.pending.range.end = gfn_add(f->config.end, 1);
    expect_map_reason(f, where);
    f->p2m.pending = good;
    f->p2m.pending.to = P2M_RAM_HELD;
    expect_map_reason(f, what);
    f->p2m.pending = good;
    f->p2m.pending.from = P2M_POD;
    expect_map_reason(f, what);
    f->p2m.pending = (struct p2m_pending){ .from = P2M_INVALID };
}

/* A table that waits lies where the change goes on. */
static void a_table_that_waits_outside_of_a_change_is_told(void **state)
{
    static const char where[] = "pending, outside the range that changes";
    struct fixture *f = *state;
    struct slot above;
    uint64_t entry;

    must(set(f, HERE, RAM, ORDER_4K, P2M_RAM_RW));
    above = table_find(&f->p2m, HERE, 1);
    entry = slot_read(above);
    *above.entry = entry_make_pending(f->config.format, entry_mfn(entry));
    f->p2m.pending = (struct p2m_pending){ P2M_RAM_RW, P2M_RAM_RO, { HERE, f->config.end }, HERE };
    expect_sound(f);
    f->p2m.pending.range.from = f->p2m.pending.cursor = gfn_add(HERE, FRAMES_2M);
    expect_map_reason(f, where);
    f->p2m.pending.range = (struct gfn_range){ GFN(0), HERE };
    f->p2m.pending.cursor = GFN(0);
    expect_map_reason(f, where);
    f->p2m.pending = (struct p2m_pending){ .from = P2M_INVALID };
    *above.entry = entry;
}

static void the_caches_own_audit_is_heard(void **state)
{
    struct fixture *f = *state;
    struct pod_audit report;

    must(mark(f, HERE, FRAMES_2M));
    hand(f, RAM, ORDER_4K, POD_DIRTY);
    f->pod.cache.counts.clean++;
    pod_audit(f->locked, &f->pod, &report);
    assert_int_equal(report.errors, report.cache.errors);
    assert_int_not_equal(report.errors, 0);
    f->pod.cache.counts.clean--;
    expect_pod_sound(f);
}

static void what_is_no_ram_and_says_that_it_was_written_is_told(void **state)
{
    struct fixture *f = *state;
    struct slot slot;
    uint64_t entry;

    must(set(f, HERE, RAM, ORDER_2M, P2M_MMIO));
    slot = table_find(&f->p2m, HERE, 0);
    entry = slot_read(slot);
    *slot.entry = entry | PTE_WRITTEN;
    expect_map_reason(f, "written, and no RAM");
    *slot.entry = entry;
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
        POD_FOR_BOTH_FORMATS(a_target_ends_a_trim),
        POD_FOR_BOTH_FORMATS(a_leaf_that_is_held_while_nobody_sweeps_is_told),
        POD_FOR_BOTH_FORMATS(a_mark_of_a_move_that_nobody_makes_is_told),
        POD_FOR_BOTH_FORMATS(a_hold_that_nobody_has_is_told),
        POD_FOR_BOTH_FORMATS(a_candidate_that_nobody_will_look_at_is_told),
        POD_FOR_BOTH_FORMATS(a_change_that_makes_no_sense_is_told),
        POD_FOR_BOTH_FORMATS(a_table_that_waits_outside_of_a_change_is_told),
        POD_FOR_BOTH_FORMATS(the_caches_own_audit_is_heard),
        POD_FOR_BOTH_FORMATS(what_is_no_ram_and_says_that_it_was_written_is_told),
        POD_FOR_BOTH_FORMATS(a_leaf_beyond_the_machines_frames_is_told),
    };

    return cmocka_run_group_tests_name("audit_reasons", tests, NULL, NULL);
}
