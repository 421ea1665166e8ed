/* SPDX-License-Identifier: MIT */
/*
 * Another program, started so that it dies with this one and leaves the terminal's keys to us.
 * Refuses to know which program.
 */
#ifndef TOOL_PROCESS_H
#define TOOL_PROCESS_H

#include <sys/types.h>

#include "say.h"

#define PROCESS_KEPT_MAX 8

struct process {
    const char *const *words;   /* its name, its arguments, NULL */
    const char *package;        /* Debian's, that has it */
    const char *directory;      /* where it works; NULL: where we do */
    const char *log;            /* what it has to say; as seen from here */
    int in, out;                /* its standard input and output; -1: /dev/null, the log */
    int kept[PROCESS_KEPT_MAX]; /* further descriptors that it may use, by the same numbers */
    unsigned kept_count;
};

/* One more; -1 is none. */
void process_keep(struct process *process, int fd);

/*
 * process_start - *pid is its number, and 0 when it does not run.
 *   Errors: FAILED; said in one line.
 */
enum outcome process_start(const struct process *process, pid_t *pid);

/* Ends it, at once, and waits for it. Harmless when it does not run. */
void process_kill(pid_t *pid);

#endif
