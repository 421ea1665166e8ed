/* SPDX-License-Identifier: MIT */
/*
 * What the readers of the two multiboot protocols share: how to reach what the loader left, and
 * where to put what they find. Refuses to know either protocol.
 */
#ifndef HV_MULTIBOOT_READERS_H
#define HV_MULTIBOOT_READERS_H

#include <stddef.h>

#include "multiboot.h"

enum boot_memory { BOOT_USABLE, BOOT_RESERVED };

/*
 * boot_reach - what lies at this address, or NULL when not all of it is mapped yet.
 * boot_add_memory - the loader's memory map says this of so many bytes; any order, any overlap.
 * boot_add_module - they are known by their order.
 * boot_set_line - the command line, which ends after `size` bytes at the latest.
 *   Units:   bytes.
 *   Context: while multiboot_read runs.
 *   Errors:  none: what does not fit is noted, and multiboot_read says so.
 *   Debts:   none.
 */
const void *boot_reach(uint64_t physical, uint64_t size);
void boot_add_memory(struct boot_info *info, uint64_t from, uint64_t length,
                     enum boot_memory memory);
void boot_add_module(struct boot_info *info, uint32_t from, uint32_t end);
void boot_set_line(struct boot_info *info, const char *line, uint64_t size);

/*
 * multiboot_1_read, multiboot_2_read - all that the loader says, by either protocol.
 *   Errors:  NULL, or one line that says what is wrong.
 */
const char *multiboot_1_read(struct boot_info *info, uint32_t physical);
const char *multiboot_2_read(struct boot_info *info, uint32_t physical);

#endif
