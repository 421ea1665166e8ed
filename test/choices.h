/* SPDX-License-Identifier: MIT */
/*
 * Where a test's choices come from: a seed, which never ends, or bytes that a fuzzer or a saved
 * file gave, which do. Refuses to know what is chosen.
 */
#ifndef TEST_CHOICES_H
#define TEST_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choices {
    uint64_t seed; /* used where there are no bytes */
    const uint8_t *bytes;
    size_t count;
    size_t used;
};

static inline bool choices_ended(const struct choices *choices)
{
    return choices->bytes && choices->used >= choices->count;
}

/* SplitMix64: the constants are its author's, Sebastiano Vigna's; in the public domain. */
static inline uint64_t choices_next(struct choices *choices)
{
    uint64_t word = 0;

    if (choices->bytes) {
        for (unsigned i = 0; i < 4 && choices->used < choices->count; i++)
            word |= (uint64_t)choices->bytes[choices->used++] << (8 * i);
        return word;
    }
    word = choices->seed += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

/* One of 0 to below - 1. */
static inline uint64_t choose(struct choices *choices, uint64_t below)
{
    return choices_next(choices) % below;
}

static inline bool choose_once_in(struct choices *choices, uint64_t times)
{
    return choose(choices, times) == 0;
}

#endif
