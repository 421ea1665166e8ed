/* SPDX-License-Identifier: MIT */
/*
 * Amounts of memory: read from what people write, written for people, and how much of it the
 * emulated machine needs so that enough whole GBs exist.
 * Refuses to know who asks.
 */
#ifndef TOOL_MEMORY_SIZE_H
#define TOOL_MEMORY_SIZE_H

#include <stdint.h>

#define KB ((uint64_t)1 << 10)
#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)

#define MEMORY_MAX (256 * GB) /* of one guest; the hypervisor takes no more either */

/* Reads "3G", "3072M", "4096K" into *bytes; NULL, or what is wrong with the text. */
const char *memory_parse(const char *text, uint64_t *bytes);

/* The largest unit that divides it: "3G", "3500M", "4100K". Room for 24 characters. */
void memory_format(uint64_t bytes, char text[24]);

/* What this machine has, all of it. */
uint64_t memory_of_this_machine(void);

/* Memory for the emulated machine of a guest with `guest` bytes whose files take `modules`. */
uint64_t memory_for_host(uint64_t guest, uint64_t modules);

/* How much of the emulated machine's memory lies below 4 GB; the rest starts at 4 GB. */
uint64_t memory_below_4g(uint64_t host);

#endif
