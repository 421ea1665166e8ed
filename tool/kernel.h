/* SPDX-License-Identifier: MIT */
/*
 * A guest kernel: from the file that people have (bzImage or vmlinux) to an ELF file that the
 * hypervisor can load, checked for its PVH entry.
 * Refuses to know how it is loaded.
 */
#ifndef TOOL_KERNEL_H
#define TOOL_KERNEL_H

#include <stdint.h>

#include "say.h"

/*
 * kernel_open - an open descriptor of the uncompressed kernel, and its size. What had to be
 * unpacked is kept beside this program, by name, size and time, for the next run.
 *   Errors: BAD_INPUT, FAILED; said in one line.
 */
enum outcome kernel_open(const char *path, int *fd, uint64_t *size);

#endif
