/* SPDX-License-Identifier: MIT */
/*
 * The cache's property test: a million operations from a seed, against the naive model.
 *
 *      cache_random [operations [seed]]
 *
 * Every block that is taken must be one that the header's promises allow. It ends with what
 * happened how often, and fails if something that can happen did not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_fixture.h"

#include "p2m/cache_node.h"

#include "cache_model.h"
#include "choices.h"

#define OPERATIONS  1000000u
#define AUDIT_FIRST 10000u
#define AUDIT_EVERY 1000u
#define CHECK_EVERY 100000u
#define MOOD_LASTS  4096u
#define BASE        ((uint64_t)1 << ORDER_1G) /* the model's frame 0 */

static uint64_t operations = OPERATIONS, seed = 1;

/* A mood holds for some thousands of operations. */
enum mood {
    MOOD_FILL,    /* more comes than goes, where there is something already */
    MOOD_DRAIN,   /* more goes than comes */
    MOOD_SHATTER, /* single frames come anywhere */
    MOOD_LARGE,   /* superpages come */
    MOOD_LARGE_DRAIN,
    MOODS
};

enum event {
    ADDED_4K,
    ADDED_2M,
    ADDED_1G,
    GREW_2M,
    GREW_1G,
    REFUSED_BY_HOST,
    REFUSED_BY_QUOTA,
    GOT_4K,
    GOT_2M,
    GOT_1G,
    DRY_4K,
    DRY_2M,
    DRY_1G,
    BROKE_2M,
    BROKE_2M_NEAR,
    BROKE_1G_FOR_2M,
    BROKE_1G_FOR_4K,
    NEAR_4K,
    NEAR_2M,
    NEAR_1G,
    NEAR_1G_KEPT,
    OFFSET_FOUND,
    OFFSET_NOWHERE,
    OFFSET_NOT_LOOKED_FOR,
    UNRESERVED,
    EVENTS
};

static const char *const event_name[EVENTS] = {
    [ADDED_4K] = "added 4K",
    [ADDED_2M] = "added 2M",
    [ADDED_1G] = "added 1G",
    [GREW_2M] = "grew into 2M",
    [GREW_1G] = "grew into 1G",
    [REFUSED_BY_HOST] = "refused by the host",
    [REFUSED_BY_QUOTA] = "refused by the quota",
    [GOT_4K] = "got 4K",
    [GOT_2M] = "got 2M",
    [GOT_1G] = "got 1G",
    [DRY_4K] = "no 4K left",
    [DRY_2M] = "no 2M left",
    [DRY_1G] = "no 1G left",
    [BROKE_2M] = "broke 2M",
    [BROKE_2M_NEAR] = "broke 2M to continue",
    [BROKE_1G_FOR_2M] = "broke 1G for 2M",
    [BROKE_1G_FOR_4K] = "broke 1G for 4K",
    [NEAR_4K] = "4K that continues",
    [NEAR_2M] = "2M that continues",
    [NEAR_1G] = "1G that continues",
    [NEAR_1G_KEPT] = "1G kept whole",
    [OFFSET_FOUND] = "at the offset",
    [OFFSET_NOWHERE] = "offset nowhere",
    [OFFSET_NOT_LOOKED_FOR] = "offset too far down",
    [UNRESERVED] = "unreserved",
};

struct run {
    struct fixture *fixture;
    struct choices choices;
    struct cache_model *model;
    struct pod_cache_counts before; /* the model's, before the block was taken */
    enum mood mood;
    uint64_t last_end; /* behind the block that was taken last */
    uint64_t event[EVENTS];
};

static void count(struct run *run, enum event event)
{
    run->event[event]++;
}

/* ---- adding --------------------------------------------------------------------------------- */

static unsigned choose_order(struct run *run)
{
    uint64_t draw = choose(&run->choices, 64);

    if (run->mood == MOOD_LARGE || run->mood == MOOD_LARGE_DRAIN)
        return draw == 0 ? ORDER_1G : draw == 1 ? ORDER_4K : ORDER_2M;
    return draw == 0 ? ORDER_2M : ORDER_4K;
}

/* A block nothing of which is in hand, or the frames' end when this draw had no luck. */
static uint64_t choose_absent(struct run *run, unsigned order)
{
    struct cache_model *model = run->model;
    uint64_t frame = choose(&run->choices, CACHE_MODEL_FRAMES);
    uint64_t step = order_frames(order), tries = CACHE_MODEL_FRAMES / step;
    bool in_partial = order == ORDER_4K && run->mood != MOOD_SHATTER;

    /* Superpages return to the lower half, frames to the upper: else no GB would ever grow. */
    if (choose(&run->choices, 64))
        frame = frame % (CACHE_MODEL_FRAMES / 2) + (order == ORDER_4K ? CACHE_MODEL_FRAMES / 2 : 0);
    frame = frame_align_down(frame, order);
    for (; in_partial && tries > 0; tries -= 512, frame += 512) {
        unsigned in_2m = model->in_2m[frame % CACHE_MODEL_FRAMES / 512];

        if (in_2m % 512 != 0)
            break;
    }
    frame %= CACHE_MODEL_FRAMES;
    for (tries = order == ORDER_4K ? 512 : 2048; tries > 0; tries--, frame += step)
        if (cache_model_lacks(model, frame % CACHE_MODEL_FRAMES, order))
            return frame % CACHE_MODEL_FRAMES;
    return CACHE_MODEL_FRAMES;
}

/* Now and then the host or the quota refuses, if a page is asked for. */
static enum p2m_error reserve(struct run *run)
{
    struct p2m *p2m = &run->fixture->p2m;
    uint64_t quota = p2m->config.table_quota, draw = choose(&run->choices, 8);
    uint64_t pages = pod_cache_counts(&pod).pages;
    enum p2m_error error;

    if (draw == 0)
        memory_fail_allocation(1);
    if (draw == 1)
        p2m->config.table_quota = 1 + p2m->lent_pages;
    error = pod_cache_reserve(run->fixture->locked, &pod, 1 + choose(&run->choices, 4));
    memory_fail_allocation(0);
    p2m->config.table_quota = quota;
    if (error != P2M_OK) {
        assert_int_equal(error, P2M_NO_MEMORY);
        assert_in_range(draw, 0, 1);
        assert_int_equal(pod_cache_counts(&pod).pages, pages);
        count(run, draw == 0 ? REFUSED_BY_HOST : REFUSED_BY_QUOTA);
    }
    return error;
}

static void do_add(struct run *run, unsigned order)
{
    uint64_t frame = choose_absent(run, order);
    enum pod_clean clean = choose_once_in(&run->choices, 64) ? POD_DIRTY : POD_CLEAN;
    unsigned grown;

    if (frame == CACHE_MODEL_FRAMES || reserve(run) != P2M_OK)
        return;
    pod_cache_add(run->fixture->locked, &pod, MFN(BASE + frame), order, clean);
    cache_model_add(run->model, frame, order, clean);
    grown = cache_model_order(run->model, frame);
    count(run, ADDED_4K + order_size(order));
    if (grown > order)
        count(run, grown == ORDER_2M ? GREW_2M : GREW_1G);
    if (choose_once_in(&run->choices, 16)) {
        pod_cache_unreserve(run->fixture->locked, &pod);
        count(run, UNRESERVED);
    }
}

/* ---- taking --------------------------------------------------------------------------------- */

static struct pod_place choose_place(struct run *run, unsigned order)
{
    struct pod_place place = { GFN(choose(&run->choices, (uint64_t)1 << 30)), INVALID_MFN };
    uint64_t frame = choose(&run->choices, CACHE_MODEL_FRAMES + 4096);

    place.gfn.gfn = frame_align_down(place.gfn.gfn, order);
    switch (choose(&run->choices, 8)) {
    case 0:
        place.near = MFN(BASE + frame);
        break;
    case 1:
    case 2:
        place.near = MFN(BASE + frame_align_down(frame, order));
        break;
    case 3:
    case 4:
        place.near = MFN(BASE + run->last_end);
        break;
    }
    return place;
}

/* Has the cache something that must be broken to serve this order, or nothing at all? */
static bool is_dry(const struct run *run, unsigned order)
{
    for (unsigned size = order_size(order); size < ORDER_SIZES; size++)
        if (run->before.blocks[size])
            return false;
    return true;
}

/* Must the block at `near` be taken? `free` nodes there were before. */
static bool near_is_due(const struct run *run, unsigned order, mfn_t near, uint64_t free)
{
    uint64_t frame = near.mfn - BASE;
    unsigned in_order;

    if (!mfn_is_valid(near) || !frame_is_aligned(near.mfn, order) || frame >= CACHE_MODEL_FRAMES ||
        !cache_model_holds(run->model, frame, order))
        return false;
    in_order = cache_model_order(run->model, frame);
    if (in_order == order)
        return true;
    if (in_order == ORDER_2M)
        return free > 0 || run->before.blocks[0] == 0;
    for (unsigned size = order_size(order); size < order_size(ORDER_1G); size++)
        if (run->before.blocks[size])
            return false; /* there is a smaller one than 1 GB */
    return true;
}

/* Smaller blocks first: may this one have been broken out of a block of this order? */
static void check_source(struct run *run, unsigned order, unsigned from)
{
    for (unsigned size = order_size(order); size < order_size(from); size++)
        assert_int_equal(run->before.blocks[size], 0);
    if (from == ORDER_2M && order == ORDER_4K)
        count(run, BROKE_2M);
    if (from == ORDER_1G && order < ORDER_1G)
        count(run, order == ORDER_2M ? BROKE_1G_FOR_2M : BROKE_1G_FOR_4K);
}

static void check_offset(struct run *run, unsigned order, unsigned from, unsigned offset,
                         unsigned wanted)
{
    unsigned superpages = 0;
    bool is_there;

    if (offset == wanted) {
        count(run, OFFSET_FOUND);
        return;
    }
    assert_int_equal(from, order); /* what is broken has every offset */
    is_there = cache_model_offset(run->model, order, wanted, &superpages);
    assert_true(!is_there || superpages > POD_CACHE_LOOKS);
    count(run, is_there ? OFFSET_NOT_LOOKED_FOR : OFFSET_NOWHERE);
}

static void check_taken(struct run *run, unsigned order, struct pod_place place, mfn_t mfn,
                        uint64_t free)
{
    uint64_t frame = mfn.mfn - BASE;
    unsigned from, above = order + ORDER_STEP;

    assert_true(frame < CACHE_MODEL_FRAMES && frame_is_aligned(frame, order));
    assert_true(cache_model_holds(run->model, frame, order));
    from = cache_model_order(run->model, frame);
    if (near_is_due(run, order, place.near, free)) {
        assert_int_equal(mfn.mfn, place.near.mfn);
        count(run, NEAR_4K + order_size(order));
        if (from == ORDER_2M && order == ORDER_4K)
            count(run, BROKE_2M_NEAR);
        return;
    }
    check_source(run, order, from);
    if (place.near.mfn - BASE < CACHE_MODEL_FRAMES &&
        cache_model_order(run->model, place.near.mfn - BASE) == ORDER_1G)
        count(run, NEAR_1G_KEPT);
    if (order < ORDER_1G)
        check_offset(run, order, from, node_index(above, frame), node_index(above, place.gfn.gfn));
}

static void do_get(struct run *run, unsigned order)
{
    struct pod_place place = choose_place(run, order);
    uint64_t free = nodes_free(&pod.cache);
    struct pod_block block;

    run->before = cache_model_counts(run->model);
    block = pod_cache_get(run->fixture->locked, &pod, order, place);
    if (is_dry(run, order)) {
        assert_false(mfn_is_valid(block.mfn));
        count(run, DRY_4K + order_size(order));
        return;
    }
    assert_true(mfn_is_valid(block.mfn));
    check_taken(run, order, place, block.mfn, free);
    assert_int_equal(block.clean, cache_model_take(run->model, block.mfn.mfn - BASE, order));
    run->last_end = block.mfn.mfn - BASE + order_frames(order);
    count(run, GOT_4K + order_size(order));
}

/* The largest first, as when a guest ends; then another begins with 1 GB blocks. */
static void begin_again(struct run *run)
{
    for (unsigned size = ORDER_SIZES; size-- > 0;)
        while (pod_cache_counts(&pod).blocks[size] > 0)
            do_get(run, size * ORDER_STEP);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    for (uint64_t blocks = choose(&run->choices, 3); blocks > 0; blocks--)
        do_add(run, ORDER_1G);
    do_get(run, choose(&run->choices, 2) ? ORDER_4K : ORDER_2M);
}

/* ---- the run -------------------------------------------------------------------------------- */

static void expect_counts(const struct run *run)
{
    struct pod_cache_counts cache = pod_cache_counts(&pod);
    struct pod_cache_counts model = cache_model_counts(run->model);

    model.pages = cache.pages;
    assert_memory_equal(&cache, &model, sizeof(model));
    assert_int_equal(cache.pages, run->fixture->p2m.lent_pages);
}

static void operate(struct run *run, uint64_t number)
{
    static const unsigned adds_of_8[MOODS] = { 6, 2, 6, 6, 2 };

    if (number % MOOD_LASTS == 0)
        run->mood = (enum mood)choose(&run->choices, MOODS);
    if (number % MOOD_LASTS == 0 && choose_once_in(&run->choices, 8))
        begin_again(run);
    if (choose(&run->choices, 8) < adds_of_8[run->mood])
        do_add(run, choose_order(run));
    else
        do_get(run, choose_order(run));
    expect_counts(run);
    if (number < AUDIT_FIRST || number % AUDIT_EVERY == 0)
        expect_cache_sound(run->fixture);
    if (number % CHECK_EVERY == 0)
        cache_model_check(run->model);
}

static void random_operations_agree_with_the_naive_model(void **state)
{
    struct run run = { .fixture = *state };
    bool is_ept = run.fixture->config.format == &ept_format;
    clock_t start = clock();
    unsigned never = 0;

    run.choices.seed = is_ept ? ~seed : seed; /* the two see different operations */
    run.model = calloc(1, sizeof(*run.model));
    assert_non_null(run.model);
    for (uint64_t number = 0; number < operations; number++)
        operate(&run, number);
    free(run.model);
    for (unsigned event = 0; event < EVENTS; event++) {
        printf("# %-22s %9" PRIu64 "\n", event_name[event], run.event[event]);
        never += run.event[event] == 0;
    }
    printf("# %" PRIu64 " operations, seed %#" PRIx64 ", %.1f s\n", operations,
           is_ept ? ~seed : seed, (double)(clock() - start) / CLOCKS_PER_SEC);
    if (operations >= OPERATIONS)
        assert_int_equal(never, 0);
}

int main(int arguments_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(random_operations_agree_with_the_naive_model),
    };

    if (arguments_count > 1)
        operations = strtoull(arguments[1], NULL, 0);
    if (arguments_count > 2)
        seed = strtoull(arguments[2], NULL, 0);
    return cmocka_run_group_tests_name("cache_random", tests, NULL, NULL);
}
