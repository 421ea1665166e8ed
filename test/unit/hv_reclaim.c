/* SPDX-License-Identifier: MIT */
/*
 * How long one call of reclaim goes on: hv/reclaim.c, with an engine whose batches read and find
 * what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flush.h"
#include "reclaim.h"
#include "types.h"

#define MB           (1u << 20)
#define BATCHES_MOST 1000u
#define NO_KIND      99u

const struct pod_sweep_kind pod_sweep_kinds[POD_SWEEP_KINDS] = {
    { ORDER_2M, POD_UNWRITTEN }, { ORDER_4K, POD_UNWRITTEN }, { ORDER_1G, POD_LEAVES },
    { ORDER_2M, POD_LEAVES },    { ORDER_4K, POD_LEAVES },    { ORDER_2M, POD_PIECES },
    { ORDER_4K, POD_PIECES },
};

static struct domain domain;
static struct {
    struct pod_sweep_kind kind; /* the only one that there is */
    unsigned batches;           /* how many of it */
    unsigned in_vain;           /* so many of them find nothing */
    uint64_t bytes, frames;     /* a batch */
} there;
static uint64_t cached, bytes_read;
static unsigned batches, releases;

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
}

void types_finish(struct domain *of)
{
    assert_ptr_equal(of, &domain);
}

void flush_settle(struct domain *of, struct p2m_debt *debt)
{
    assert_ptr_equal(of, &domain);
    *debt = P2M_NO_DEBT;
}

struct pod_account pod_account(const struct pod *pod)
{
    assert_ptr_equal(pod, &domain.pod);
    return (struct pod_account){ .cached = cached };
}

struct pod_events pod_events(const struct pod *pod)
{
    assert_ptr_equal(pod, &domain.pod);
    return (struct pod_events){ .bytes_read = bytes_read };
}

enum p2m_error pod_sweep_protect(struct p2m_locked locked, struct pod *pod,
                                 struct pod_sweep_kind kind, struct pod_sweep *sweep,
                                 struct p2m_debt *debt)
{
    (void)locked, (void)pod, (void)debt;
    if (kind.order != there.kind.order || kind.depth != there.kind.depth ||
        batches == there.batches)
        return P2M_EMPTY;
    *sweep = (struct pod_sweep){ .order = kind.order, .depth = kind.depth, .count = 1 };
    return P2M_OK;
}

void pod_sweep_scan(struct pod *pod, struct pod_sweep *sweep, unsigned item)
{
    (void)pod;
    assert_true(item < sweep->count);
    bytes_read += there.bytes;
}

uint64_t pod_sweep_finish(struct p2m_locked locked, struct pod *pod, struct pod_sweep *sweep,
                          struct p2m_debt *debt)
{
    uint64_t found = batches >= there.in_vain ? there.frames : 0;

    (void)locked, (void)pod, (void)sweep, (void)debt;
    assert_true(batches < BATCHES_MOST);
    batches++;
    cached += found;
    return found;
}

void pod_release(struct p2m_locked locked, struct pod *pod, gfn_t gfn)
{
    (void)locked, (void)pod, (void)gfn;
    releases++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    memset(&there, 0, sizeof(there));
    there.kind = (struct pod_sweep_kind){ ORDER_4K, POD_LEAVES };
    there.batches = UINT32_MAX;
    cached = batches = releases = 0;
    bytes_read = 100 * MB; /* by earlier sweeps */
    return 0;
}

static void a_little_that_costs_much_is_enough(void **state)
{
    (void)state;
    there.bytes = MB;
    there.frames = 1;
    assert_true(reclaim(&domain));
    assert_int_equal(batches, 4);
}

static void nothing_is_never_enough(void **state)
{
    (void)state;
    there.bytes = 16 * MB;
    there.in_vain = 500;
    there.frames = 1;
    assert_true(reclaim(&domain));
    assert_int_equal(batches, 501);
}

static void what_costs_nothing_is_taken_by_2_mb(void **state)
{
    (void)state;
    there.frames = 16;
    assert_true(reclaim(&domain));
    assert_int_equal(batches, 32);
}

/* What is in hand already is of the wrong size, and what was read before is no matter. */
static void the_unwritten_come_whatever_was_read_before(void **state)
{
    (void)state;
    there.kind = pod_sweep_kinds[0];
    there.frames = 128;
    cached = 1;
    reclaim_unwritten(&domain);
    assert_int_equal(batches, 4);
}

static void when_there_is_none_it_says_so(void **state)
{
    (void)state;
    there.bytes = MB;
    there.batches = 10;
    assert_false(reclaim(&domain));
    assert_int_equal(batches, 10);
    there.kind = (struct pod_sweep_kind){ NO_KIND, POD_LEAVES };
    assert_false(reclaim(&domain));
}

static void what_is_looked_into_is_in_pieces(void **state)
{
    (void)state;
    there.kind = (struct pod_sweep_kind){ ORDER_2M, POD_PIECES };
    there.frames = 512;
    assert_true(reclaim(&domain));
    assert_int_equal(domain.slot_reason[0], SLOT_RECLAIMED);
}

static void a_write_releases(void **state)
{
    (void)state;
    reclaim_release(&domain, GFN(5));
    assert_int_equal(releases, 1);
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_little_that_costs_much_is_enough),
        CLAIM(nothing_is_never_enough),
        CLAIM(what_costs_nothing_is_taken_by_2_mb),
        CLAIM(the_unwritten_come_whatever_was_read_before),
        CLAIM(when_there_is_none_it_says_so),
        CLAIM(what_is_looked_into_is_in_pieces),
        CLAIM(a_write_releases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
