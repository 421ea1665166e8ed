/* SPDX-License-Identifier: MIT */
/*
 * The naive truth about a PoD cache: a byte a frame. Refuses to know nodes, and which block should
 * be taken; says what is in hand, and as part of what.
 */
#ifndef TEST_CACHE_MODEL_H
#define TEST_CACHE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "p2m/pod.h"

#define CACHE_MODEL_GIGABYTES 4u
#define CACHE_MODEL_2M        (CACHE_MODEL_GIGABYTES * 512)
#define CACHE_MODEL_FRAMES    ((uint64_t)CACHE_MODEL_2M * 512)

/* Frames are counted from 0 here. */
struct cache_model {
    uint8_t state[CACHE_MODEL_FRAMES]; /* 0: not in hand; 1 dirty; 2 clean */
    uint16_t in_2m[CACHE_MODEL_2M];    /* frames in hand of each 2 MB */
    uint64_t clean;
};

void cache_model_add(struct cache_model *model, uint64_t frame, unsigned order,
                     enum pod_clean clean);

/* All of it is in hand, and leaves; returns whether all of it was clean. */
enum pod_clean cache_model_take(struct cache_model *model, uint64_t frame, unsigned order);

/* Is the whole block in hand? Is nothing of it? */
bool cache_model_holds(const struct cache_model *model, uint64_t frame, unsigned order);
bool cache_model_lacks(const struct cache_model *model, uint64_t frame, unsigned order);

/* The largest block in hand around this frame, which is in hand: its order. */
unsigned cache_model_order(const struct cache_model *model, uint64_t frame);

/* Without `pages`. */
struct pod_cache_counts cache_model_counts(const struct cache_model *model);

/* Is a block of this order, not part of a larger one, in hand at this offset in its superpage?
 * `superpages` says how many have any such block. */
bool cache_model_offset(const struct cache_model *model, unsigned order, unsigned offset,
                        unsigned *superpages);

/* Fails the test unless the model's own sums are right. */
void cache_model_check(const struct cache_model *model);

#endif
