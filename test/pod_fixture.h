/* SPDX-License-Identifier: MIT */
/*
 * One guest with populate-on-demand under test: the map of fixture.h, its PoD, and an embedder that
 * does for the guest what a hypervisor does: populates what it touches, clears what is granted,
 * releases what it writes to. Memory and PoD are audited after each step. Refuses to know what is
 * being tested.
 */
#ifndef TEST_POD_FIXTURE_H
#define TEST_POD_FIXTURE_H

#include "fixture.h"

#include "p2m/pod.h"

int pod_setup_npt(void **state);
int pod_setup_ept(void **state);
int pod_teardown(void **state);

/* A test, once for each format. */
#define POD_FOR_BOTH_FORMATS(test)                                                                 \
    { "npt: " #test, test, pod_setup_npt, pod_teardown, NULL },                                    \
    {                                                                                              \
        "ept: " #test, test, pod_setup_ept, pod_teardown, NULL                                     \
    }

/* Begin again; max_order is the policy of populates. The map's config stays as it is. */
void pod_restart(struct fixture *fixture, unsigned max_order);

#define FRAMES_2M order_frames(ORDER_2M)
#define FRAMES_1G order_frames(ORDER_1G)

/* ---- verbs, as an embedder calls them ------------------------------------------------------- */

/* Flush, pay, and trim. */
void pod_settle(struct fixture *fixture);

/* A whole range, however many calls it takes. */
enum p2m_error mark(struct fixture *fixture, gfn_t gfn, uint64_t frames);
enum p2m_error decrease(struct fixture *fixture, gfn_t gfn, uint64_t frames);

/* RAM that is there from the start. */
void map(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order);

/* A target, however many calls it takes, and all is sound after each. */
enum p2m_error set_target(struct fixture *fixture, uint64_t frames);

/* A block comes into hand that no target asked for. A dirty one holds something. */
void hand(struct fixture *fixture, mfn_t mfn, unsigned order, enum pod_clean clean);

/* Populate, and clear what is granted. */
enum p2m_error touch(struct fixture *fixture, gfn_t gfn);

/* The processor's accesses; faults are seen to, and must come to an end. */
void guest_write_at(struct fixture *fixture, gfn_t gfn, unsigned index, uint64_t word);
void guest_write(struct fixture *fixture, gfn_t gfn, uint64_t word);
uint64_t guest_read(struct fixture *fixture, gfn_t gfn);

/* What to sweep for, by size. */
extern const struct pod_sweep_kind sweep_leaves[ORDER_SIZES];
extern const struct pod_sweep_kind sweep_pieces[ORDER_SIZES - 1];

/* A sweep by steps; begin calls as often as it is told to. */
enum p2m_error sweep_begin(struct fixture *fixture, struct pod_sweep_kind kind,
                           struct pod_sweep *sweep);
void sweep_scan(struct fixture *fixture, struct pod_sweep *sweep);
uint64_t sweep_finish(struct fixture *fixture, struct pod_sweep *sweep);

/* A whole sweep: the frames that it took, 0 where it found none. */
uint64_t sweep_once(struct fixture *fixture, struct pod_sweep_kind kind);

/* ---- what must hold ------------------------------------------------------------------------- */

void expect_pod_sound(struct fixture *fixture);

/* Frames; `granted` is 0 but where a test says so itself. */
void expect_account(struct fixture *fixture, uint64_t entries, uint64_t cached, uint64_t populated);

/* Blocks in hand and frames that are clean. */
void expect_in_hand(struct fixture *fixture, uint64_t gigabytes, uint64_t two_megabytes,
                    uint64_t frames);
void expect_clean_in_hand(struct fixture *fixture, uint64_t frames);

void expect_populates(struct fixture *fixture, uint64_t gigabytes, uint64_t two_megabytes,
                      uint64_t frames);

/* Fails the test unless the verb answers like that, and nothing has changed. */
struct pod_snapshot {
    struct snapshot map;
    struct pod_account account;
    struct pod_cache_counts cache;
    struct pod_events events;
};
struct pod_snapshot pod_snapshot_take(const struct fixture *fixture);
void pod_snapshot_expect_same(struct fixture *fixture, struct pod_snapshot before);

#define POD_REFUSED(fixture, expected, verb)                                                       \
    do {                                                                                           \
        struct pod_snapshot before_verb = pod_snapshot_take(fixture);                              \
        enum p2m_error error_of_verb = (verb);                                                     \
                                                                                                   \
        assert_string_equal(p2m_error_name(error_of_verb), p2m_error_name(expected));              \
        pod_snapshot_expect_same(fixture, before_verb);                                            \
    } while (0)

#endif
