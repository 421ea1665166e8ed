/* SPDX-License-Identifier: MIT */
/*
 * One PoD cache under test. Refuses to know what is being tested.
 */
#include "cache_fixture.h"

struct pod pod;

static void start(const struct fixture *fixture)
{
    pod_create(&pod, fixture->locked.p2m, ORDER_1G);
}

int cache_setup_npt(void **state)
{
    int failed = fixture_setup_npt(state);

    start(*state);
    return failed;
}

int cache_setup_ept(void **state)
{
    int failed = fixture_setup_ept(state);

    start(*state);
    return failed;
}

int cache_teardown(void **state)
{
    struct pod_place anywhere = { GFN(0), INVALID_MFN };
    struct fixture *fixture = *state;

    for (unsigned size = ORDER_SIZES; size-- > 0;)
        while (mfn_is_valid(pod_cache_get(fixture->locked, &pod, size * ORDER_STEP, anywhere).mfn))
            ;
    expect_cache_sound(fixture);
    pod_cache_unreserve(fixture->locked, &pod);
    assert_int_equal(pod_cache_counts(&pod).frames, 0);
    assert_int_equal(pod_cache_counts(&pod).clean, 0);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    return fixture_teardown(state);
}

void expect_cache_sound(const struct fixture *fixture)
{
    struct pod_cache_audit report;

    pod_cache_audit(fixture->locked, &pod, &report);
    if (report.errors)
        fail_msg("audit: %lu errors; mfn %#lx: %s", report.errors, report.mfn.mfn, report.what);
}

void add(struct fixture *fixture, mfn_t mfn, unsigned order, enum pod_clean clean)
{
    must(pod_cache_reserve(fixture->locked, &pod, 1));
    pod_cache_add(fixture->locked, &pod, mfn, order, clean);
    expect_cache_sound(fixture);
}

void add_frames(struct fixture *fixture, mfn_t mfn, uint64_t frames, enum pod_clean clean)
{
    for (uint64_t i = 0; i < frames; i++)
        add(fixture, mfn_add(mfn, i), ORDER_4K, clean);
}

static struct pod_block get_block(struct fixture *fixture, unsigned order, struct pod_place place)
{
    struct pod_block block = pod_cache_get(fixture->locked, &pod, order, place);

    expect_cache_sound(fixture);
    return block;
}

struct pod_block take(struct fixture *fixture, unsigned order)
{
    return get_block(fixture, order, (struct pod_place){ GFN(0), INVALID_MFN });
}

struct pod_block take_for(struct fixture *fixture, unsigned order, gfn_t gfn)
{
    return get_block(fixture, order, (struct pod_place){ gfn, INVALID_MFN });
}

struct pod_block take_near(struct fixture *fixture, unsigned order, mfn_t near)
{
    return get_block(fixture, order, (struct pod_place){ GFN(0), near });
}

void expect_blocks(uint64_t gigabytes, uint64_t two_megabytes, uint64_t frames)
{
    struct pod_cache_counts counts = pod_cache_counts(&pod);

    assert_int_equal(counts.blocks[order_size(ORDER_1G)], gigabytes);
    assert_int_equal(counts.blocks[order_size(ORDER_2M)], two_megabytes);
    assert_int_equal(counts.blocks[order_size(ORDER_4K)], frames);
    assert_int_equal(counts.frames, (gigabytes << ORDER_1G) + (two_megabytes << ORDER_2M) + frames);
}

void expect_clean(uint64_t frames)
{
    assert_int_equal(pod_cache_counts(&pod).clean, frames);
}

void put_mark(struct fixture *fixture, uint64_t n, unsigned order)
{
    must(set(fixture, GFN(n << order), INVALID_MFN, order, P2M_POD));
}

void take_mark(struct fixture *fixture, uint64_t n, unsigned order)
{
    must(set(fixture, GFN(n << order), INVALID_MFN, order, P2M_INVALID));
    fixture_settle(fixture);
}

void give_plenty(void)
{
    for (unsigned order = 0; order <= ORDER_1G; order += ORDER_STEP)
        memory_give_frames(order, PLENTY);
}

void add_2m(struct fixture *fixture, uint64_t count, enum pod_clean clean)
{
    for (uint64_t i = 0; i < count; i++)
        add(fixture, mfn_add(GB(20), 2 * i * FRAMES_2M), ORDER_2M, clean);
}

void expect_error(enum p2m_error error, enum p2m_error expected)
{
    assert_string_equal(p2m_error_name(error), p2m_error_name(expected));
}

void expect_freed(uint64_t calls, uint64_t frames)
{
    assert_int_equal(memory_freed().calls, calls);
    assert_int_equal(memory_freed().frames, frames);
}
