/* SPDX-License-Identifier: MIT */
/*
 * From a machine that is up to guests that have ended. Refuses to know how the machine came up.
 */
#ifndef HV_MAIN_H
#define HV_MAIN_H

#include "multiboot.h"

/* Runs the guest that the boot information describes; returns the code to end the machine with. */
int podium_main(const struct boot_info *info);

#endif
