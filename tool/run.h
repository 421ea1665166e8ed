/* SPDX-License-Identifier: MIT */
/*
 * `podium run`: open the files, start the machine, attend to it, judge, report.
 * Refuses to know the details of any of these.
 */
#ifndef TOOL_RUN_H
#define TOOL_RUN_H

#include "options.h"

enum outcome run(struct options *options);

#endif
