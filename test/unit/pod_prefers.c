/* SPDX-License-Identifier: MIT */
/*
 * p2m/reclaim.c, pod_prefers_sweep: when superpages that were never written are worth looking for
 * before a superpage's mark is populated by small pieces.
 */
#include "pod_fixture.h"

#define POPULATED GFN(0)
#define WANTED    GFN(FRAMES_2M)
#define BLOCK     MFN(0x40000)
#define SMALL     MFN(0x140007)

static bool prefers(struct fixture *f, gfn_t gfn)
{
    struct pod_snapshot before = pod_snapshot_take(f);
    bool answer = pod_prefers_sweep(f->locked, &f->pod, gfn);

    pod_snapshot_expect_same(f, before);
    return answer;
}

/* Marks of 2 MB, the first of them populated by a superpage; one small frame is in hand. */
static void start_with_small_frames(struct fixture *f, unsigned max_order)
{
    pod_restart(f, max_order);
    must(mark(f, POPULATED, 8 * FRAMES_2M));
    hand(f, BLOCK, ORDER_2M, POD_CLEAN);
    must(touch(f, POPULATED));
    while (pod_cache_counts(&f->pod).frames > 0)
        assert_true(mfn_is_valid(
            pod_cache_get(f->locked, &f->pod, ORDER_4K, (struct pod_place){ GFN(0), INVALID_MFN })
                .mfn));
    hand(f, SMALL, ORDER_4K, POD_CLEAN);
}

static void a_sweep_comes_first_for_a_superpage_when_only_small_frames_are_in_hand(void **state)
{
    struct fixture *f = *state;

    start_with_small_frames(f, ORDER_1G);
    assert_true(prefers(f, WANTED));
    assert_true(prefers(f, gfn_add(WANTED, 77)));
}

static void a_sweep_comes_first_for_a_gigabyte_too(void **state)
{
    struct fixture *f = *state;

    start_with_small_frames(f, ORDER_1G);
    must(mark(f, GFN(FRAMES_1G), FRAMES_1G));
    assert_int_equal(get(f, GFN(FRAMES_1G)).order, ORDER_1G);
    assert_true(prefers(f, GFN(FRAMES_1G + 5)));
}

static void no_sweep_comes_first_where_no_superpage_is_promised(void **state)
{
    struct fixture *f = *state;

    start_with_small_frames(f, ORDER_1G);
    must(mark(f, GFN(FRAMES_1G + 3), 1));
    assert_false(prefers(f, GFN(FRAMES_1G + 3))); /* a small mark */
    assert_false(prefers(f, GFN(FRAMES_1G + 4))); /* nothing */
    assert_false(prefers(f, POPULATED));          /* RAM */
    assert_false(prefers(f, GFN(UINT64_MAX)));
}

static void no_sweep_comes_first_while_a_superpage_is_in_hand(void **state)
{
    struct fixture *f = *state;

    start_with_small_frames(f, ORDER_1G);
    hand(f, mfn_add(BLOCK, FRAMES_2M), ORDER_2M, POD_DIRTY);
    assert_false(prefers(f, WANTED));

    start_with_small_frames(f, ORDER_1G);
    must(mark(f, GFN(FRAMES_1G), FRAMES_1G));
    hand(f, mfn_add(BLOCK, FRAMES_1G), ORDER_1G, POD_CLEAN);
    assert_false(prefers(f, WANTED));
}

static void no_sweep_comes_first_where_policy_populates_small_frames_only(void **state)
{
    struct fixture *f = *state;

    pod_restart(f, ORDER_4K);
    must(mark(f, POPULATED, 8 * FRAMES_2M));
    hand(f, SMALL, ORDER_4K, POD_CLEAN);
    assert_false(prefers(f, WANTED));
}

/* Looking costs a tour: not again before another superpage has been populated. */
static void a_fruitless_look_is_the_last_until_a_superpage_is_populated(void **state)
{
    struct fixture *f = *state;

    start_with_small_frames(f, ORDER_1G);
    guest_write(f, POPULATED, 1);
    assert_int_equal(sweep_once(f, pod_sweep_kinds[0]), 0);
    assert_false(prefers(f, WANTED));
    hand(f, mfn_add(BLOCK, FRAMES_2M), ORDER_2M, POD_CLEAN);
    must(touch(f, gfn_add(WANTED, FRAMES_2M)));
    assert_true(prefers(f, WANTED));
}

static void no_sweep_comes_first_before_any_superpage_was_populated(void **state)
{
    struct fixture *f = *state;

    must(mark(f, POPULATED, 8 * FRAMES_2M));
    hand(f, SMALL, ORDER_4K, POD_CLEAN);
    assert_false(prefers(f, WANTED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_FOR_BOTH_FORMATS(
            a_sweep_comes_first_for_a_superpage_when_only_small_frames_are_in_hand),
        POD_FOR_BOTH_FORMATS(a_sweep_comes_first_for_a_gigabyte_too),
        POD_FOR_BOTH_FORMATS(no_sweep_comes_first_where_no_superpage_is_promised),
        POD_FOR_BOTH_FORMATS(no_sweep_comes_first_while_a_superpage_is_in_hand),
        POD_FOR_BOTH_FORMATS(no_sweep_comes_first_where_policy_populates_small_frames_only),
        POD_FOR_BOTH_FORMATS(a_fruitless_look_is_the_last_until_a_superpage_is_populated),
        POD_FOR_BOTH_FORMATS(no_sweep_comes_first_before_any_superpage_was_populated),
    };

    return cmocka_run_group_tests_name("pod_prefers", tests, NULL, NULL);
}
