/* SPDX-License-Identifier: MIT */
/*
 * A run as a piece of bytes: the first says which format, the others are its choices. What a fuzzer
 * finds, what a long run shrinks to, and what is kept in test/corpus are all such pieces. Refuses
 * to know what the choices mean.
 */
#ifndef TEST_INPUT_H
#define TEST_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

struct choices_record;
struct pt_format;

#define INPUT_MAX ((size_t)64 << 20)

/* The first byte for this format, and back. */
uint8_t input_first_byte(const struct pt_format *format);
const struct pt_format *input_format(uint8_t first);

/* Run it, audited after each operation; what was chosen is written down again in a record. */
void input_run(const uint8_t *bytes, size_t size, struct histogram *histogram,
               struct choices_record *record);

#endif
