/* SPDX-License-Identifier: MIT */
/*
 * What a page of memory is filled with, so that one that is lost, swapped with another or mapped
 * twice is seen when it is read back. Refuses to know whose pages they are.
 */
#ifndef INITRAMFS_PATTERN_H
#define INITRAMFS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES 4096u
#define PAGE_WORDS 512u
#define MB         ((uint64_t)1 << 20)

/* The words of one page: first, first + step, first + 2 * step, ... */
struct pattern {
    uint64_t first, step;
};

/* pattern_of - words that depend on seed and page, and differ from their neighbours. */
struct pattern pattern_of(uint64_t seed, uint64_t page);

/* pattern_write - fill a page with it. */
void pattern_write(uint64_t *words, struct pattern pattern);

/* pattern_holds - whether the page holds just that; adds its words to *sum. */
bool pattern_holds(const uint64_t *words, struct pattern pattern, uint64_t *sum);

#endif
