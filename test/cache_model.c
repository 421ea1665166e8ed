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

static void set_state(struct cache_model *model, uint64_t frame, uint64_t frames, uint8_t state)
{
    for (uint64_t i = frame; i < frame + frames; i++) {
        model->clean += (state == CLEAN);
        model->clean -= (model->state[i] == CLEAN);
        model->in_2m[i / 512] += (state != ABSENT);
        model->in_2m[i / 512] -= (model->state[i] != ABSENT);
        model->state[i] = state;
    }
}

void cache_model_add(struct cache_model *model, uint64_t frame, unsigned order,
                     enum pod_clean clean)
{
    uint64_t first = frame_align_down(frame, ORDER_2M);

    set_state(model, frame, order_frames(order), clean == POD_CLEAN ? CLEAN : DIRTY);
    if (order == ORDER_4K && model->in_2m[frame / 512] == 512 &&
        memchr(&model->state[first], DIRTY, 512))
        set_state(model, first, 512, DIRTY);
}

enum pod_clean cache_model_take(struct cache_model *model, uint64_t frame, unsigned order)
{
    bool dirty = memchr(&model->state[frame], DIRTY, order_frames(order));

    assert_true(cache_model_holds(model, frame, order));
    set_state(model, frame, order_frames(order), ABSENT);
    return dirty ? POD_DIRTY : POD_CLEAN;
}

static uint64_t in_hand(const struct cache_model *model, uint64_t frame, unsigned order)
{
    uint64_t sum = 0;

    if (order == ORDER_4K)
        return model->state[frame] != ABSENT;
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

struct pod_cache_counts cache_model_counts(const struct cache_model *model)
{
    struct pod_cache_counts counts = { .clean = model->clean };

    for (unsigned gigabyte = 0; gigabyte < CACHE_MODEL_GIGABYTES; gigabyte++) {
        const uint16_t *in_2m = &model->in_2m[(size_t)gigabyte * 512];
        uint64_t whole = 0, frames = 0;

        for (unsigned i = 0; i < 512; i++) {
            whole += in_2m[i] == 512;
            frames += in_2m[i];
        }
        counts.blocks[0] += frames - whole * 512;
        counts.blocks[1] += whole % 512;
        counts.blocks[2] += whole / 512;
        counts.frames += frames;
    }
    return counts;
}

/* How many blocks of this order, not part of a larger one, are in hand in this superpage. */
static uint64_t loose_blocks(const struct cache_model *model, uint64_t frame, unsigned order)
{
    uint64_t whole = 0;

    if (order == ORDER_4K)
        return model->in_2m[frame / 512] % 512;
    for (unsigned i = 0; i < 512; i++)
        whole += model->in_2m[frame / 512 + i] == 512;
    return whole % 512;
}

bool cache_model_offset(const struct cache_model *model, unsigned order, unsigned offset,
                        unsigned *superpages)
{
    uint64_t step = order_frames(order + ORDER_STEP);
    bool is_there = false;

    *superpages = 0;
    for (uint64_t frame = 0; frame < CACHE_MODEL_FRAMES; frame += step) {
        if (loose_blocks(model, frame, order) == 0)
            continue;
        ++*superpages;
        is_there |= cache_model_holds(model, frame + ((uint64_t)offset << order), order);
    }
    return is_there;
}

void cache_model_check(const struct cache_model *model)
{
    uint64_t clean = 0;

    for (unsigned i = 0; i < CACHE_MODEL_2M; i++) {
        unsigned in_2m = 0;

        for (unsigned frame = i * 512; frame < i * 512 + 512; frame++) {
            in_2m += model->state[frame] != ABSENT;
            clean += model->state[frame] == CLEAN;
        }
        assert_int_equal(in_2m, model->in_2m[i]);
    }
    assert_int_equal(clean, model->clean);
}
