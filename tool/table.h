/* SPDX-License-Identifier: MIT */
/*
 * The report as people read it: on standard output, at the end of a run.
 * Refuses to compute: it shows what the report holds.
 */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include "report.h"

void table_print(const struct report *report);

#endif
