/* SPDX-License-Identifier: MIT */
/*
 * Decompression of a kernel's payload: whole buffer to whole buffer, of a size known beforehand.
 * Refuses to know what a kernel is.
 */
#ifndef TOOL_UNPACK_H
#define TOOL_UNPACK_H

#include <stddef.h>

/* "xz", "lz4", "zstd", "gzip" by the first bytes; NULL when it is none of them. */
const char *unpack_method(const void *packed, size_t size);

/* Fills out[0, out_size) exactly; NULL, or what is wrong. */
const char *unpack(const void *packed, size_t size, void *out, size_t out_size);

#endif
