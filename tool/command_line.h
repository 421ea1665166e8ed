/* SPDX-License-Identifier: MIT */
/*
 * The words that the hypervisor is started with, and, after " -- ", those of its guest.
 * Refuses to know how an emulator is told, and what the words do.
 */
#ifndef TOOL_COMMAND_LINE_H
#define TOOL_COMMAND_LINE_H

#include "options.h"

#define COMMAND_LINE_SIZE 4096

/*
 * command_line_compose - one line for these options.
 *   Errors: BAD_INPUT, said in one line, when it is too long.
 */
enum outcome command_line_compose(char line[COMMAND_LINE_SIZE], const struct options *options);

#endif
