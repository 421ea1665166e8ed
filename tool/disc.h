/* SPDX-License-Identifier: MIT */
/*
 * `podium iso`: a disc for a machine that somebody else starts.
 */
#ifndef TOOL_DISC_H
#define TOOL_DISC_H

#include "options.h"

/* Errors: BAD_INPUT, FAILED; said in one line. There is no new file then. */
enum outcome disc(const struct options *options);

#endif
