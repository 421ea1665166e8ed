/* SPDX-License-Identifier: MIT */
/*
 * The naive truth about a PoD cache. Refuses to be clever.
 */
#include "cache_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ABSENT, DIRTY, CLEAN };

mfn_t cache_model_mfn(uint64_t frame)
{
    uint64_t gigabyte = frame >> ORDER_1G;

    return MFN(frame + ((gigabyte < CACHE_MODEL_OWN ? 1 : 34 - CACHE_MODEL_OWN) << ORDER_1G));
}

uint64_t cache_model_frame(mfn_t mfn)
{
    uint64_t gigabyte = mfn.mfn >> ORDER_1G;

    if (gigabyte >= 1 && gigabyte < 1 + CACHE_MODEL_OWN)
        return mfn.mfn - ((uint64_t)1 << ORDER_1G);
    if (gigabyte >= 34 && gigabyte < 34 + CACHE_MODEL_GIVEN)
        return mfn.mfn - ((uint64_t)(34 - CACHE_MODEL_OWN) << ORDER_1G);
    return CACHE_MODEL_FRAMES;
}

/* What 2 MB add to all counts, or no longer do; whole ones, as part of their GB. */
static void count_2m(struct cache_model *model, uint64_t number, uint64_t times)
{
    uint64_t in_hand = model->in_2m[number], dirty = model->dirty_in_2m[number];

    model->counts.frames += times * in_hand;
    model->counts.clean += times * (in_hand - dirty);
    if (in_hand == 512) {
        model->whole_in_1g[number / 512] += times;
        model->dirty_whole_in_1g[number / 512] += times * (dirty > 0);
    } else {
        model->counts.blocks[0] += times * in_hand;
        model->dirty_blocks[0] += times * dirty;
    }
}

static void count_1g(struct cache_model *model, uint64_t number, uint64_t times)
{
    uint64_t whole = model->whole_in_1g[number], dirty = model->dirty_whole_in_1g[number];

    model->counts.blocks[whole == 512 ? 2 : 1] += times * (whole == 512 ? 1 : whole);
    model->dirty_blocks[whole == 512 ? 2 : 1] += times * (whole == 512 ? dirty > 0 : dirty);
}

#define MINUS_ONCE UINT64_MAX

static void set_state(struct cache_model *model, uint64_t frame, uint64_t frames, uint8_t state)
{
    count_1g(model, frame >> ORDER_1G, MINUS_ONCE);
    for (uint64_t i = frame / 512; i * 512 < frame + frames; i++)
        count_2m(model, i, MINUS_ONCE);
    for (uint64_t i = frame; i < frame + frames; i++) {
        model->dirty_in_2m[i / 512] += (state == DIRTY);
        model->dirty_in_2m[i / 512] -= (model->state[i] == DIRTY);
        model->in_2m[i / 512] += (state != ABSENT);
        model->in_2m[i / 512] -= (model->state[i] != ABSENT);
        model->in_1g[i >> ORDER_1G] += (state != ABSENT);
        model->in_1g[i >> ORDER_1G] -= (model->state[i] != ABSENT);
        model->state[i] = state;
    }
    for (uint64_t i = frame / 512; i * 512 < frame + frames; i++)
        count_2m(model, i, 1);
    count_1g(model, frame >> ORDER_1G, 1);
}

void cache_model_add(struct cache_model *model, uint64_t frame, unsigned order,
                     enum pod_clean clean)
{
    uint64_t first = frame_align_down(frame, ORDER_2M);

    set_state(model, frame, order_frames(order), clean == POD_CLEAN ? CLEAN : DIRTY);
    if (order == ORDER_4K && model->in_2m[frame / 512] == 512 &&
        model->dirty_in_2m[frame / 512] > 0)
        set_state(model, first, 512, DIRTY);
}

bool cache_model_is_clean(const struct cache_model *model, uint64_t frame, unsigned order)
{
    return !memchr(&model->state[frame], DIRTY, order_frames(order));
}

enum pod_clean cache_model_take(struct cache_model *model, uint64_t frame, unsigned order)
{
    bool is_clean = cache_model_is_clean(model, frame, order);

    assert_true(cache_model_holds(model, frame, order));
    set_state(model, frame, order_frames(order), ABSENT);
    return is_clean ? POD_CLEAN : POD_DIRTY;
}

static uint64_t in_hand(const struct cache_model *model, uint64_t frame, unsigned order)
{
    uint64_t sum = 0;

    if (order == ORDER_4K)
        return model->state[frame] != ABSENT;
    if (order == ORDER_1G)
        return model->in_1g[frame >> ORDER_1G];
    for (uint64_t i = frame / 512; i < (frame + order_frames(order)) / 512; i++)
        sum += model->in_2m[i];
    return sum;
}

bool cache_model_holds(const struct cache_model *model, uint64_t frame, unsigned order)
{
    return in_hand(model, frame, order) == order_frames(order);
}

bool cache_model_lacks(const struct cache_model *model, uint64_t frame, unsigned order)
{
    return in_hand(model, frame, order) == 0;
}

unsigned cache_model_order(const struct cache_model *model, uint64_t frame)
{
    unsigned order = ORDER_1G;

    while (order > ORDER_4K && !cache_model_holds(model, frame_align_down(frame, order), order))
        order -= ORDER_STEP;
    return order;
}

/* How many blocks of this order, not part of a larger one, are in hand in this superpage. */
static uint64_t loose_blocks(const struct cache_model *model, uint64_t frame, unsigned order)
{
    if (order == ORDER_4K)
        return model->in_2m[frame / 512] % 512;
    return model->whole_in_1g[frame >> ORDER_1G] % 512;
}

struct cache_model_offset cache_model_offset(const struct cache_model *model, unsigned order,
                                             unsigned offset, unsigned most)
{
    uint64_t step = order_frames(order + ORDER_STEP), block = (uint64_t)offset << order;
    struct cache_model_offset found = { .superpages = 0 };

    for (uint64_t frame = 0; frame < CACHE_MODEL_FRAMES && found.superpages <= most;
         frame += step) {
        if (model->in_1g[frame >> ORDER_1G] == 0) {
            frame = frame_align_down(frame, ORDER_1G) + order_frames(ORDER_1G) - step;
            continue;
        }
        if (loose_blocks(model, frame, order) == 0)
            continue;
        found.superpages++;
        if (!cache_model_holds(model, frame + block, order))
            continue;
        found.there++;
        found.clean_there += cache_model_is_clean(model, frame + block, order);
    }
    return found;
}

void cache_model_check(const struct cache_model *model)
{
    uint64_t frames = 0, clean = 0;

    for (unsigned i = 0; i < CACHE_MODEL_2M; i++) {
        unsigned in_2m = 0, dirty_in_2m = 0;

        for (unsigned frame = i * 512; frame < i * 512 + 512; frame++) {
            in_2m += model->state[frame] != ABSENT;
            dirty_in_2m += model->state[frame] == DIRTY;
        }
        assert_int_equal(in_2m, model->in_2m[i]);
        assert_int_equal(dirty_in_2m, model->dirty_in_2m[i]);
        frames += in_2m;
        clean += in_2m - dirty_in_2m;
    }
    assert_int_equal(frames, model->counts.frames);
    assert_int_equal(clean, model->counts.clean);
}
