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

/* What was chosen, as the bytes that would choose it again, and where each operation begins. */
struct choices_record {
    uint8_t *bytes;
    size_t *start;
    size_t room, count;
    size_t start_room, start_count;
};

struct choices {
    uint64_t seed; /* used where there are no bytes */
    const uint8_t *bytes;
    size_t count;
    size_t used;
    struct choices_record *record; /* NULL: nobody wants to know */
};

static inline bool choices_ended(const struct choices *choices)
{
    return choices->bytes && choices->used >= choices->count;
}

/* An operation begins. */
static inline void choices_mark(struct choices *choices)
{
    struct choices_record *record = choices->record;

    if (record && record->start_count < record->start_room)
        record->start[record->start_count++] = record->count;
}

static inline uint64_t choices_read(struct choices *choices, unsigned width)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < width && choices->used < choices->count; i++)
        word |= (uint64_t)choices->bytes[choices->used++] << (8 * i);
    return word;
}

static inline void choices_write(struct choices *choices, uint64_t word, unsigned width)
{
    struct choices_record *record = choices->record;

    for (unsigned i = 0; record && i < width && record->count < record->room; i++)
        record->bytes[record->count++] = (uint8_t)(word >> (8 * i));
}

/* SplitMix64: the constants are its author's, Sebastiano Vigna's; in the public domain. */
static inline uint64_t choices_next(struct choices *choices)
{
    uint64_t word = choices->seed += 0x9e3779b97f4a7c15;

    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

/* As few bytes as hold a number below this, so that a fuzzer's every byte means something. */
static inline unsigned choice_width(uint64_t below)
{
    unsigned width = 1;

    while (width < 8 && (below - 1) >> (8 * width) != 0)
        width++;
    return width;
}

/* What a seed has no say in: 0 to below - 1, given here, unless bytes say otherwise. */
static inline uint64_t choose_given(struct choices *choices, uint64_t given, uint64_t below)
{
    unsigned width = choice_width(below);
    uint64_t chosen = choices->bytes ? choices_read(choices, width) % below : given;

    choices_write(choices, chosen, width);
    return chosen;
}

/* One of 0 to below - 1. */
static inline uint64_t choose(struct choices *choices, uint64_t below)
{
    return choose_given(choices, choices->bytes ? 0 : choices_next(choices) % below, below);
}

static inline bool choose_once_in(struct choices *choices, uint64_t times)
{
    return choose(choices, times) == 0;
}

#endif
