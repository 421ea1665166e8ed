/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader hands to the hypervisor: the guest's kernel, unpacked, and its initramfs.
 * Refuses to know how they get there.
 */
#ifndef TOOL_MODULES_H
#define TOOL_MODULES_H

#include "qemu.h"

/*
 * modules_open - the two descriptors of the machine; how many bytes they are.
 *   Errors: BAD_INPUT, FAILED; said in one line.
 */
enum outcome modules_open(struct machine *machine, const struct options *options, uint64_t *bytes);

#endif
