/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people and programs write them, and as people read them. Refuses to know what they
 * are about.
 */
#ifndef HV_NUMBER_H
#define HV_NUMBER_H

#include <stdbool.h>

#include "p2m/frame.h"

/* Decimal digits and nothing else; false, and *value is anything, when it is not that. */
bool parse_number(const char *text, uint64_t *value);

static inline uint64_t megabytes(uint64_t frames)
{
    return frames >> (20 - FRAME_SHIFT);
}

#endif
