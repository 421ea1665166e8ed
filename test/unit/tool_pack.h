/* SPDX-License-Identifier: MIT */
/*
 * Compresses, as those who make kernels do: what tool/unpack.c has to undo.
 * Refuses to know what is compressed.
 */
#ifndef TEST_UNIT_TOOL_PACK_H
#define TEST_UNIT_TOOL_PACK_H

#include <stddef.h>
#include <stdint.h>

#define PACK_METHODS 4u

/* "xz", "lz4", "zstd", "gzip" */
extern const char *const pack_method[PACK_METHODS];

/* bytes[0, size) compressed, in a block of exactly *packed_size bytes that the caller frees. */
uint8_t *pack(const char *method, const uint8_t *bytes, size_t size, size_t *packed_size);

/* Bytes that compress, but not to nothing. The caller frees them. */
uint8_t *pack_sample(size_t size);

#endif
