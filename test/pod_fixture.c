/* SPDX-License-Identifier: MIT */
/*
 * One guest with populate-on-demand under test. Refuses to know what is being tested.
 */
#include "pod_fixture.h"

#include <stdlib.h>

#define FAULTS_MAX 8   /* so many may one access take: more, and it never ends */
#define CALLS_MAX  512 /* so many calls may one tour of a sweep take */

/* ---- coming and going ----------------------------------------------------------------------- */

static void start(struct fixture *fixture, unsigned max_order)
{
    pod_create(&fixture->pod, &fixture->p2m, max_order);
    memory_set_pod(&fixture->pod);
}

static void stop(struct fixture *fixture)
{
    memory_fail_allocation(0);
    pod_settle(fixture);
    empty_to_the_end(fixture->locked, &fixture->pod);
    expect_in_hand(fixture, 0, 0, 0);
    expect_clean_in_hand(fixture, 0);
    assert_int_equal(pod_cache_counts(&fixture->pod).pages, 0);
    memory_set_pod(NULL);
}

int pod_setup_npt(void **state)
{
    int failed = fixture_setup_npt(state);

    start(*state, ORDER_1G);
    return failed;
}

int pod_setup_ept(void **state)
{
    int failed = fixture_setup_ept(state);

    start(*state, ORDER_1G);
    return failed;
}

int pod_teardown(void **state)
{
    stop(*state);
    return fixture_teardown(state);
}

void pod_restart(struct fixture *fixture, unsigned max_order)
{
    stop(fixture);
    fixture_restart(fixture);
    start(fixture, max_order);
}

/* ---- verbs ---------------------------------------------------------------------------------- */

void pod_settle(struct fixture *fixture)
{
    fixture_settle(fixture);
    trim_to_the_end(fixture->locked, &fixture->pod);
    expect_pod_sound(fixture);
}

typedef enum p2m_error (*range_verb)(struct p2m_locked locked, struct pod *pod,
                                     struct gfn_range *range, struct p2m_debt *debt);

static enum p2m_error do_range(struct fixture *fixture, gfn_t gfn, uint64_t frames, range_verb verb)
{
    struct gfn_range range = { gfn, gfn_add(gfn, frames) };

    while (range.from.gfn < range.end.gfn) {
        gfn_t from = range.from;
        enum p2m_error error = verb(fixture->locked, &fixture->pod, &range, &fixture->debt);

        if (error != P2M_OK)
            return error;
        assert_int_not_equal(range.from.gfn, from.gfn);
        pod_settle(fixture);
    }
    return P2M_OK;
}

void map(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order)
{
    must(set(fixture, gfn, mfn, order, P2M_RAM_RW));
}

enum p2m_error set_target(struct fixture *fixture, uint64_t frames)
{
    enum p2m_error error;
    unsigned calls = 0;

    do {
        error = pod_set_target(fixture->locked, &fixture->pod, frames);
        expect_pod_sound(fixture);
        assert_in_range(++calls, 1, 1000);
    } while (error == P2M_AGAIN);
    return error;
}

enum p2m_error mark(struct fixture *fixture, gfn_t gfn, uint64_t frames)
{
    return do_range(fixture, gfn, frames, pod_mark);
}

enum p2m_error decrease(struct fixture *fixture, gfn_t gfn, uint64_t frames)
{
    return do_range(fixture, gfn, frames, pod_decrease);
}

void hand(struct fixture *fixture, mfn_t mfn, unsigned order, enum pod_clean clean)
{
    if (clean == POD_DIRTY)
        for (uint64_t i = 0; i < order_frames(order); i += FRAMES_2M)
            *memory_word(mfn_add(mfn, i)) = 0xd127;
    must(pod_cache_reserve(fixture->locked, &fixture->pod, 1));
    pod_cache_add(fixture->locked, &fixture->pod, mfn, order, clean);
    pod_cache_unreserve(fixture->locked, &fixture->pod);
    expect_pod_sound(fixture);
}

enum p2m_error touch(struct fixture *fixture, gfn_t gfn)
{
    struct pod_grant grant;
    enum p2m_error error = pod_demand_populate(fixture->locked, &fixture->pod, gfn, &grant);

    expect_pod_sound(fixture);
    if (error != P2M_UNCLEAN)
        return error;
    memory_clear(grant.mfn, order_frames(grant.order));
    error = pod_finish_populate(fixture->locked, &fixture->pod, &grant);
    expect_pod_sound(fixture);
    return error;
}

static bool is_held(enum p2m_type type)
{
    return type == P2M_RAM_HELD || type == P2M_RAM_COPIED;
}

/* What a hypervisor does about a fault; false when there was none. */
static bool see_to_fault(struct fixture *fixture, gfn_t gfn, struct processor_translation seen)
{
    if (seen.answer <= ANSWER_WALKED)
        return false;
    if (seen.answer == ANSWER_NOT_PRESENT)
        must(touch(fixture, gfn));
    else if (seen.answer == ANSWER_NOT_ALLOWED && is_held(get(fixture, gfn).type))
        pod_release(fixture->locked, &fixture->pod, gfn);
    else
        fail_msg("gfn %#lx cannot be accessed", gfn.gfn);
    return true;
}

void guest_write_at(struct fixture *fixture, gfn_t gfn, unsigned index, uint64_t word)
{
    for (unsigned i = 0; i < FAULTS_MAX; i++)
        if (!see_to_fault(fixture, gfn, processor_store(&fixture->processor, gfn, index, word)))
            return;
    fail_msg("gfn %#lx faults for ever", gfn.gfn);
}

void guest_write(struct fixture *fixture, gfn_t gfn, uint64_t word)
{
    guest_write_at(fixture, gfn, 0, word);
}

uint64_t guest_read(struct fixture *fixture, gfn_t gfn)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < FAULTS_MAX; i++)
        if (!see_to_fault(fixture, gfn, processor_load(&fixture->processor, gfn, 0, &word)))
            return word;
    fail_msg("gfn %#lx faults for ever", gfn.gfn);
    return word;
}

/* ---- sweeps --------------------------------------------------------------------------------- */

const struct pod_sweep_kind sweep_leaves[ORDER_SIZES] = {
    { ORDER_4K, POD_LEAVES },
    { ORDER_2M, POD_LEAVES },
    { ORDER_1G, POD_LEAVES },
};
const struct pod_sweep_kind sweep_pieces[ORDER_SIZES - 1] = {
    { ORDER_4K, POD_PIECES },
    { ORDER_2M, POD_PIECES },
};

enum p2m_error sweep_begin(struct fixture *fixture, struct pod_sweep_kind kind,
                           struct pod_sweep *sweep)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        enum p2m_error error =
            pod_sweep_protect(fixture->locked, &fixture->pod, kind, sweep, &fixture->debt);

        expect_pod_sound(fixture);
        if (error != P2M_AGAIN)
            return error;
        assert_int_equal(sweep->count, 0);
    }
    fail_msg("a sweep goes round for ever");
    return P2M_AGAIN;
}

void sweep_scan(struct fixture *fixture, struct pod_sweep *sweep)
{
    for (unsigned item = 0; item < sweep->count; item++)
        pod_sweep_scan(&fixture->pod, sweep, item);
}

uint64_t sweep_finish(struct fixture *fixture, struct pod_sweep *sweep)
{
    uint64_t taken = pod_sweep_finish(fixture->locked, &fixture->pod, sweep, &fixture->debt);

    expect_pod_sound(fixture); /* nothing is held any more */
    assert_int_equal(sweep->count, 0);
    return taken;
}

uint64_t sweep_once(struct fixture *fixture, struct pod_sweep_kind kind)
{
    struct pod_sweep sweep;
    enum p2m_error error = sweep_begin(fixture, kind, &sweep);
    uint64_t taken;

    if (error == P2M_EMPTY)
        return 0;
    must(error);
    pod_settle(fixture);
    sweep_scan(fixture, &sweep);
    taken = sweep_finish(fixture, &sweep);
    pod_settle(fixture);
    return taken;
}

/* ---- what must hold ------------------------------------------------------------------------- */

void expect_pod_sound(struct fixture *fixture)
{
    struct pod_audit report;

    expect_sound(fixture);
    pod_audit(fixture->locked, &fixture->pod, &report);
    if (report.errors)
        fail_msg("audit of PoD: %lu errors; account: %s; cache: %s", report.errors,
                 report.what ? report.what : "well",
                 report.cache.what ? report.cache.what : "well");
}

void expect_account(struct fixture *fixture, uint64_t entries, uint64_t cached, uint64_t populated)
{
    struct pod_account account = pod_account(&fixture->pod);

    expect_pod_sound(fixture);
    if (account.entries != entries || account.cached != cached || account.populated != populated)
        fail_msg("entries %#lx, cached %#lx, populated %#lx; not %#lx, %#lx, %#lx", account.entries,
                 account.cached, account.populated, entries, cached, populated);
}

void expect_in_hand(struct fixture *fixture, uint64_t gigabytes, uint64_t two_megabytes,
                    uint64_t frames)
{
    struct pod_cache_counts counts = pod_cache_counts(&fixture->pod);

    assert_int_equal(counts.blocks[order_size(ORDER_1G)], gigabytes);
    assert_int_equal(counts.blocks[order_size(ORDER_2M)], two_megabytes);
    assert_int_equal(counts.blocks[order_size(ORDER_4K)], frames);
}

void expect_clean_in_hand(struct fixture *fixture, uint64_t frames)
{
    assert_int_equal(pod_cache_counts(&fixture->pod).clean, frames);
}

void expect_populates(struct fixture *fixture, uint64_t gigabytes, uint64_t two_megabytes,
                      uint64_t frames)
{
    struct pod_events events = pod_events(&fixture->pod);

    assert_int_equal(events.populates[order_size(ORDER_1G)], gigabytes);
    assert_int_equal(events.populates[order_size(ORDER_2M)], two_megabytes);
    assert_int_equal(events.populates[order_size(ORDER_4K)], frames);
}

struct pod_snapshot pod_snapshot_take(const struct fixture *fixture)
{
    struct pod_snapshot snapshot = {
        .account = pod_account(&fixture->pod),
        .cache = pod_cache_counts(&fixture->pod),
        .events = pod_events(&fixture->pod),
    };

    snapshot.map = snapshot_take(fixture);
    return snapshot;
}

void pod_snapshot_expect_same(struct fixture *fixture, struct pod_snapshot before)
{
    struct pod_snapshot now = pod_snapshot_take(fixture);

    free(now.map.entry);
    assert_memory_equal(&before.account, &now.account, sizeof(now.account));
    assert_memory_equal(&before.cache, &now.cache, sizeof(now.cache));
    assert_memory_equal(&before.events, &now.events, sizeof(now.events));
    snapshot_expect_same(fixture, before.map);
    expect_pod_sound(fixture);
}
