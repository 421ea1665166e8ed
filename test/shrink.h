/* SPDX-License-Identifier: MIT */
/*
 * A shorter input that still fails: operations are left out, by halves at first and one by one in
 * the end, for as long as the rest fails without them. Refuses to know what an operation is, and
 * what failing means: it is told.
 */
#ifndef TEST_SHRINK_H
#define TEST_SHRINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes, and where in them each operation begins; the first at 0. */
struct shrink_input {
    uint8_t *bytes;
    size_t size;
    size_t *start;
    size_t operations;
};

/*
 * Does it still fail? Then the input becomes what was run indeed: an operation may read less than
 * it did, or more, now that others are gone. If it does not fail it may be left in any state.
 */
struct shrink_judge {
    bool (*fails)(struct shrink_input *input, void *context);
    void *context;
    size_t tries; /* that are left */
};

/* Shrinks a failing input in place; `candidate` has room for as much. */
void shrink(struct shrink_input *input, struct shrink_input *candidate, struct shrink_judge *judge);

#endif
