/* SPDX-License-Identifier: MIT */
/*
 * A disc that starts the hypervisor and its guest, for machines that take no kernel any other way.
 * Refuses to know on which machine.
 */
#ifndef TOOL_ISO_H
#define TOOL_ISO_H

#include "qemu.h"

#define ISO_NAME "podium.iso"
#define ISO_LOG  "mkrescue.log"

/*
 * iso_make - "<directory>/podium.iso": GRUB, for BIOS and for UEFI, the hypervisor, the modules,
 * the command line. What its maker said is in the log beside it. The directory is to be empty:
 * what has one of its names there is overwritten, or removed.
 *   Errors: BAD_INPUT, FAILED; said in one line.
 */
enum outcome iso_make(const struct machine *machine, const char *directory);

/* iso_remove_directory - the disc has gone elsewhere; its log goes if it came out well. */
void iso_remove_directory(const char *directory, enum outcome outcome);

#endif
