/* SPDX-License-Identifier: MIT */
/*
 * The emulated machine with VMX and extended page tables: Bochs, started from a disc. It has 3 GB
 * at most and nothing to look into its memory by, it takes no keys, and its exit status says
 * nothing: the hypervisor's last record does.
 * Refuses to know what is said on the serial ports.
 */
#ifndef TOOL_BOCHS_H
#define TOOL_BOCHS_H

#include "qemu.h"

/*
 * bochs_choose - processor and memory for these options. The modules are open already.
 *   Errors: BAD_INPUT; said in one line.
 */
enum outcome bochs_choose(struct machine *machine, const struct options *options,
                          uint64_t module_bytes);

/*
 * bochs_start - make the disc and the serial ports, and start the emulator. It dies with this
 * program.
 *   Errors: BAD_INPUT, FAILED; said in one line. Nothing runs then.
 */
enum outcome bochs_start(struct machine *machine, const struct options *options);

/* bochs_complaint - why the emulator gave up, in its words; empty when it did not. */
void bochs_complaint(const struct machine *machine, char complaint[COMPLAINT_SIZE]);

#endif
