/* SPDX-License-Identifier: MIT */
/*
 * The naive truth about a PoD cache: a byte a frame. Refuses to know nodes, and which block should
 * be taken; says what is in hand, and as part of what.
 *
 *      its frames      the machine's
 *      4 GB            1 GB and up     what the test itself puts into hand
 *      30 GB           34 GB and up    what the test's host gives
 */
#ifndef TEST_CACHE_MODEL_H
#define TEST_CACHE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "p2m/pod.h"

#define CACHE_MODEL_OWN       4u
#define CACHE_MODEL_GIVEN     30u
#define CACHE_MODEL_GIGABYTES (CACHE_MODEL_OWN + CACHE_MODEL_GIVEN)
#define CACHE_MODEL_2M        (CACHE_MODEL_GIGABYTES * 512)
#define CACHE_MODEL_FRAMES    ((uint64_t)CACHE_MODEL_2M * 512)

/* Frames are counted from 0 here. */
struct cache_model {
    uint8_t state[CACHE_MODEL_FRAMES]; /* 0: not in hand; 1 dirty; 2 clean */
    uint16_t in_2m[CACHE_MODEL_2M];    /* frames in hand of each 2 MB, and the dirty ones */
    uint16_t dirty_in_2m[CACHE_MODEL_2M];
    uint32_t in_1g[CACHE_MODEL_GIGABYTES];
    uint64_t whole_in_1g[CACHE_MODEL_GIGABYTES]; /* 2 MB blocks, and those that are dirty */
    uint64_t dirty_whole_in_1g[CACHE_MODEL_GIGABYTES];
    struct pod_cache_counts counts;     /* without `pages` */
    uint64_t dirty_blocks[ORDER_SIZES]; /* not all of which is clean, by size */
};

mfn_t cache_model_mfn(uint64_t frame);

/* CACHE_MODEL_FRAMES: it is none of the model's. */
uint64_t cache_model_frame(mfn_t mfn);

void cache_model_add(struct cache_model *model, uint64_t frame, unsigned order,
                     enum pod_clean clean);

/* All of it is in hand, and leaves; returns whether all of it was clean. */
enum pod_clean cache_model_take(struct cache_model *model, uint64_t frame, unsigned order);

/* Is the whole block in hand? Is nothing of it? */
bool cache_model_holds(const struct cache_model *model, uint64_t frame, unsigned order);
bool cache_model_lacks(const struct cache_model *model, uint64_t frame, unsigned order);

/* All of it is in hand: is all of it clean? */
bool cache_model_is_clean(const struct cache_model *model, uint64_t frame, unsigned order);

/* The largest block in hand around this frame, which is in hand: its order. */
unsigned cache_model_order(const struct cache_model *model, uint64_t frame);

/* The superpages that have blocks of one order, not part of larger ones: how many there are, and in
 * how many of them one is at this offset, or even a clean one. Looks no further than needed to tell
 * that there are more than `most`. */
struct cache_model_offset {
    unsigned superpages;
    unsigned there;
    unsigned clean_there;
};
struct cache_model_offset cache_model_offset(const struct cache_model *model, unsigned order,
                                             unsigned offset, unsigned most);

/* Fails the test unless the model's own sums are right. */
void cache_model_check(const struct cache_model *model);

#endif
