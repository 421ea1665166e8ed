/* SPDX-License-Identifier: MIT */
/*
 * Writing and comparing at the speed of memory: nothing in the loops but an addition. Refuses to
 * stop at the first word that is wrong.
 */
#include "pattern.h"

struct pattern pattern_of(uint64_t seed, uint64_t page)
{
    uint64_t x = seed + (page + 1) * 0x9e3779b97f4a7c15; /* a full mix of both */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return (struct pattern){ .first = x, .step = x | 1 };
}

void pattern_write(uint64_t *words, struct pattern pattern)
{
    for (unsigned i = 0; i < PAGE_WORDS; i++)
        words[i] = pattern.first + i * pattern.step;
}

bool pattern_holds(const uint64_t *words, struct pattern pattern, uint64_t *sum)
{
    uint64_t difference = 0, total = 0;

    for (unsigned i = 0; i < PAGE_WORDS; i++) {
        difference |= words[i] ^ (pattern.first + i * pattern.step);
        total += words[i];
    }
    *sum = *sum * 31 + total;
    return difference == 0;
}
