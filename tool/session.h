/* SPDX-License-Identifier: MIT */
/*
 * One run of a machine, from its start to its end: console to and fro, records to the report, the
 * eye at each phase, signals and time.
 * Refuses to judge what happened.
 */
#ifndef TOOL_SESSION_H
#define TOOL_SESSION_H

#include "judge.h"
#include "qemu.h"
#include "report.h"

/* Keeps signals back until session_run attends to them. Before anything that is to be cleaned up.
 */
void session_hold_signals(void);

/*
 * session_run - attend to the running machine until it ends, or is to be ended; it runs no more
 * when this returns. Fills *report and *closing.
 *   Errors: FAILED, said in one line, when the session cannot even begin.
 */
enum outcome session_run(struct machine *machine, const struct options *options,
                         struct report *report, struct closing *closing);

#endif
