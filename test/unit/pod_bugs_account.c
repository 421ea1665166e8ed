/* SPDX-License-Identifier: MIT */
/*
 * As pod_bugs.c: the published bugs that came of a wrong account, and of failures that nobody heeded.
 */
#include "pod_fixture.h"

#define RAM  MFN(0x40000)
#define HERE GFN(0x40000)

static const unsigned orders[] = { ORDER_4K, ORDER_2M, ORDER_1G };

static enum p2m_error demand(struct fixture *f, gfn_t gfn)
{
    struct pod_grant grant;

    return pod_demand_populate(f->locked, &f->pod, gfn, &grant);
}

/* ---- accounts ------------------------------------------------------------------------------- */

/* A target that was off by a little more than the balloon knew of: the guest died. */
static void xsa_153_a_target_that_is_off_by_a_little_kills_nobody(void **state)
{
    static const int64_t offs[] = { -256, -1, 0, 1, 256 };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
        uint64_t target = (uint64_t)((int64_t)FRAMES_2M + offs[i]), touched = 0;

        pod_restart(f, ORDER_4K);
        must(mark(f, GFN(0), 2 * FRAMES_2M));
        memory_give_frames(ORDER_4K, 2 * FRAMES_2M);
        must(set_target(f, target));
        while (touch(f, GFN(touched)) == P2M_OK)
            touched++;
        assert_int_equal(touched, target);
        expect_account(f, 2 * FRAMES_2M - target, 0, target);
        POD_REFUSED(f, P2M_EMPTY, demand(f, GFN(touched)));
        must(set_target(f, target + 1)); /* and the guest goes on */
        must(touch(f, GFN(touched)));
    }
}

/* The guest ran before its target was set. */
static void commit_085c366982_a_touch_before_the_target_is_set_waits(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    POD_REFUSED(f, P2M_EMPTY, demand(f, GFN(9)));
    memory_give_frames(ORDER_2M, 3);
    must(set_target(f, 3 * FRAMES_2M));
    must(touch(f, GFN(9)));
    expect_account(f, FRAMES_1G - FRAMES_2M, 2 * FRAMES_2M, FRAMES_2M);
}

/* Marks that were overwritten by other verbs stayed in the count of entries. */
static void commit_aea270e3f7_marks_that_are_overwritten_are_counted_no_more(void **state)
{
    static const enum p2m_type types[] = { P2M_RAM_RW,  P2M_RAM_RO, P2M_MMIO,
                                           P2M_SPECIAL, P2M_BROKEN, P2M_INVALID };
    struct fixture *f = *state;

    for (unsigned i = 0; i < ORDER_SIZES; i++) {
        uint64_t frames = order_frames(orders[i]);

        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), 4 * FRAMES_1G));
        for (uint64_t type = 0; type < 3; type++) {
            mfn_t mfn = mfn_add(RAM, (2 * i + type) * FRAMES_1G);

            must(set(f, GFN(type * FRAMES_1G), mfn, orders[i], types[i + type]));
            expect_pod_sound(f);
        }
        assert_int_equal(pod_account(&f->pod).entries, 4 * FRAMES_1G - 3 * frames);
    }
}

/* Never published: more in hand than was promised, once marks are overwritten; the next raise of
 * the target then ran into an assert. */
static void never_more_in_hand_than_promised_after_marks_are_overwritten(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_2M));
    memory_give_frames(ORDER_2M, 2);
    must(set_target(f, FRAMES_2M));
    expect_account(f, FRAMES_2M, FRAMES_2M, 0);
    for (uint64_t i = 0; i < 256; i++)
        map(f, GFN(i), mfn_add(RAM, i), ORDER_4K);
    trim_to_the_end(f->locked, &f->pod);
    expect_account(f, 256, 256, 256);
    must(set_target(f, FRAMES_2M + 1000));
    expect_account(f, 256, 256, 256);
    for (uint64_t i = 256; i < 512; i++)
        must(touch(f, GFN(i)));
    expect_account(f, 0, 0, 512);
}

/* Where all of a range was marks, the cache was not cut to what is still promised. */
static void commit_3f394a6b33_the_cache_is_cut_when_only_marks_go(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < ORDER_SIZES; i++) {
        uint64_t frames = order_frames(orders[i]);
        struct gfn_range range = { HERE, gfn_add(HERE, frames) };

        pod_restart(f, ORDER_1G);
        must(mark(f, HERE, frames));
        hand(f, RAM, orders[i], POD_CLEAN);
        must(pod_decrease(f->locked, &f->pod, &range, &f->debt));
        expect_account(f, 0, 0, 0);
        assert_int_equal(memory_freed().frames, frames);
    }
}

/* Of a block that was taken from the guest, only the first frame was accounted for. */
static void commit_8e4d495cb8_every_frame_of_a_leaf_is_accounted_for(void **state)
{
    struct fixture *f = *state;

    must(mark(f, GFN(0), FRAMES_1G));
    map(f, HERE, RAM, ORDER_2M);
    must(decrease(f, gfn_add(HERE, 1), FRAMES_2M - 2));
    expect_account(f, FRAMES_1G, FRAMES_2M - 2, 2);
    must(decrease(f, HERE, FRAMES_2M));
    expect_account(f, FRAMES_1G, FRAMES_2M, 0);
    expect_in_hand(f, 0, 1, 0);
    for (unsigned i = 0; i < ORDER_SIZES; i++) {
        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), FRAMES_1G));
        map(f, HERE, RAM, orders[i]);
        must(decrease(f, HERE, order_frames(orders[i])));
        expect_account(f, FRAMES_1G, order_frames(orders[i]), 0);
    }
}

/* The cache of a guest that died was filled again, and the guest stayed for ever. */
static void commit_2eba88c6af_the_cache_of_a_dead_guest_stays_empty(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { HERE, gfn_add(HERE, FRAMES_2M) };
    uint64_t generation;

    must(mark(f, GFN(0), FRAMES_1G));
    map(f, HERE, RAM, ORDER_2M);
    map(f, gfn_add(HERE, FRAMES_2M), mfn_add(RAM, FRAMES_2M), ORDER_2M);
    must(pod_decrease(f->locked, &f->pod, &range, &f->debt));
    empty_to_the_end(f->locked, &f->pod);
    p2m_destroy(f->locked, &f->debt);
    generation = p2m_begin_settle(&f->p2m);
    processor_flush(&f->processor);
    p2m_end_settle(&f->p2m, generation);
    pay_to_the_end(f->locked, &f->debt);
    assert_int_equal(pod_cache_counts(&f->pod).frames, 0);
    assert_int_equal(pod_cache_counts(&f->pod).pages, 0);
    assert_int_equal(memory_returned().frames, 2 * FRAMES_2M);
    assert_int_equal(memory_tables_in_use(), 0);
    p2m_unlock(f->locked);
    must(p2m_create(&f->p2m, &f->config)); /* another one, for the teardown */
    f->locked = p2m_lock(&f->p2m);
}

/* ---- failures ------------------------------------------------------------------------------- */

/* Without a page to split with, a populate was tried again for ever. */
static void xsa_246_a_populate_without_a_table_page_ends_in_an_error(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i < ORDER_SIZES; i++) {
        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), order_frames(orders[i])));
        hand(f, RAM, ORDER_4K, POD_CLEAN);
        hand(f, mfn_add(RAM, 2), ORDER_4K, POD_CLEAN);
        f->p2m.config.table_quota = f->p2m.counts.tables + f->p2m.lent_pages;
        POD_REFUSED(f, P2M_NO_MEMORY, demand(f, GFN(5)));
        POD_REFUSED(f, P2M_NO_MEMORY, demand(f, GFN(5)));
        f->p2m.config.table_quota = 4000;
        must(demand(f, GFN(5)));
    }
}

/* 2 MB blocks, each of another GB, until the cache wants that many pages; how many that took. */
static unsigned hand_until(struct fixture *f, uint64_t pages)
{
    unsigned blocks = 0;

    must(mark(f, GFN(0), FRAMES_1G));
    while (pod_cache_counts(&f->pod).pages < pages)
        hand(f, mfn_add(RAM, blocks++ * FRAMES_1G), ORDER_2M, POD_CLEAN);
    return blocks;
}

/* The cache has a node left, and no page for more: what it gives and takes back is not lost. */
static void xsa_246_retries_without_a_table_page_lose_no_frame(void **state)
{
    struct fixture *f = *state;
    unsigned blocks = hand_until(f, 3);

    pod_restart(f, ORDER_4K);
    must(mark(f, GFN(0), FRAMES_1G));
    for (unsigned i = 0; i + 1 < blocks; i++)
        hand(f, mfn_add(RAM, i * FRAMES_1G), ORDER_2M, POD_CLEAN);
    f->p2m.config.table_quota = f->p2m.counts.tables + f->p2m.lent_pages;
    for (unsigned i = 0; i < 20; i++)
        POD_REFUSED(f, P2M_NO_MEMORY, demand(f, GFN(5)));
    f->p2m.config.table_quota = 4000;
    must(demand(f, GFN(5)));
}

/* A zero check, or a decrease, ignored that its change had failed: the page was mapped and in hand.
 */
static void xsa_247_what_could_not_be_unmapped_is_not_in_hand(void **state)
{
    struct pod_sweep_kind kind = { ORDER_4K, POD_PIECES };
    struct fixture *f = *state;

    for (unsigned nth = 1; nth <= 3; nth++) {
        pod_restart(f, ORDER_1G);
        must(mark(f, GFN(0), FRAMES_1G));
        map(f, HERE, RAM, ORDER_1G);
        guest_write(f, HERE, 1);
        memory_fail_allocation(nth);
        (void)!decrease(f, gfn_add(HERE, 7), 1);
        if (get(f, gfn_add(HERE, 7)).type == P2M_RAM_RW) {
            struct pod_sweep sweep;

            f->pod.cursor[POD_PIECES][0].gfn = gfn_add(HERE, 8);
            memory_fail_allocation(nth);
            assert_int_equal(pod_sweep_protect(f->locked, &f->pod, kind, &sweep, &f->debt),
                             P2M_NO_MEMORY);
        }
        memory_fail_allocation(0);
        pod_settle(f);
        assert_in_range(pod_account(&f->pod).cached + pod_account(&f->pod).populated,
                        FRAMES_1G - (nth > 2), FRAMES_1G);
        assert_int_equal(guest_read(f, HERE), 1);
    }
}

/* A change of many frames that failed half-way left the counts wrong. */
static void xsa_389_counts_are_true_after_any_failure(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i < ORDER_SIZES; i++) {
        for (unsigned nth = 1; nth <= 6; nth++) {
            uint64_t frames = order_frames(orders[i]);

            pod_restart(f, ORDER_1G);
            map(f, HERE, RAM, orders[i]);
            memory_fail_allocation(nth);
            (void)!mark(f, GFN(0x1ff), frames); /* each is done, or is not */
            memory_fail_allocation(nth);
            (void)!decrease(f, gfn_add(HERE, 1), frames - 2);
            memory_fail_allocation(nth);
            (void)!touch(f, GFN(0x200));
            memory_fail_allocation(0);
            expect_pod_sound(f);
        }
    }
}

/* Whether a page could be removed was not looked at; it was freed, and still mapped. */
static void xsa_217_252_what_stays_mapped_is_not_given_back(void **state)
{
    struct fixture *f = *state;
    struct memory_returned before;

    must(mark(f, GFN(0), FRAMES_1G));
    map(f, HERE, RAM, ORDER_2M);
    guest_write(f, HERE, 42);
    before = memory_returned();
    memory_fail_allocation(1);
    POD_REFUSED(f, P2M_NO_MEMORY, decrease(f, HERE, 1));
    memory_fail_allocation(0);
    must(p2m_pin(f->locked, HERE));
    POD_REFUSED(f, P2M_BUSY, decrease(f, HERE, FRAMES_2M));
    p2m_unpin(f->locked, HERE);
    assert_int_equal(memory_returned().calls, before.calls);
    assert_int_equal(guest_read(f, HERE), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(xsa_153_a_target_that_is_off_by_a_little_kills_nobody),
        POD_FOR_BOTH_FORMATS(commit_085c366982_a_touch_before_the_target_is_set_waits),
        POD_FOR_BOTH_FORMATS(commit_aea270e3f7_marks_that_are_overwritten_are_counted_no_more),
        POD_FOR_BOTH_FORMATS(never_more_in_hand_than_promised_after_marks_are_overwritten),
        POD_FOR_BOTH_FORMATS(commit_3f394a6b33_the_cache_is_cut_when_only_marks_go),
        POD_FOR_BOTH_FORMATS(commit_8e4d495cb8_every_frame_of_a_leaf_is_accounted_for),
        POD_FOR_BOTH_FORMATS(commit_2eba88c6af_the_cache_of_a_dead_guest_stays_empty),
        POD_FOR_BOTH_FORMATS(xsa_246_a_populate_without_a_table_page_ends_in_an_error),
        POD_FOR_BOTH_FORMATS(xsa_246_retries_without_a_table_page_lose_no_frame),
        POD_FOR_BOTH_FORMATS(xsa_247_what_could_not_be_unmapped_is_not_in_hand),
        POD_FOR_BOTH_FORMATS(xsa_389_counts_are_true_after_any_failure),
        POD_FOR_BOTH_FORMATS(xsa_217_252_what_stays_mapped_is_not_given_back),
    };

    return cmocka_run_group_tests_name("pod_bugs_account", tests, NULL, NULL);
}
