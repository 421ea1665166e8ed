/* SPDX-License-Identifier: MIT */
/*
 * The eye from outside: a program of its own that reads the nested page tables out of the machine's
 * memory. Here it is asked, and its answer compared with what the hypervisor says of itself.
 * Refuses to know how page tables are read.
 */
#ifndef TOOL_EYE_H
#define TOOL_EYE_H

#include <cjson/cJSON.h>

#include "qemu.h"

/* Whether the eye is there to be asked. */
bool eye_exists(void);

/*
 * eye_compare - look at the machine's memory now, while it holds still, and add the member "eye" to
 * the phase: "agrees", or how not. `format` is the table format's name.
 */
void eye_compare(const struct machine *machine, const char *format, cJSON *phase);

#endif
