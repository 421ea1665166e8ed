/* SPDX-License-Identifier: MIT */
/*
 * The verdict: "ok", or the first thing that is wrong, in one line.
 * Refuses to know how the run was done: it reads the report, and how the session ended.
 */
#ifndef TOOL_JUDGE_H
#define TOOL_JUDGE_H

#include "report.h"

enum ending {
    ENDED,       /* the emulator ended by itself */
    INTERRUPTED, /* the person ended it */
    TIMED_OUT
};

/* Whether the guest promised, by being ours, to mark the phase "used". */
enum guest_kind { GUEST_OTHER, GUEST_DEFAULT };

struct closing {
    enum ending ending;
    int status;           /* of the emulator, as from waitpid */
    unsigned bad_records; /* lines that were no records */
    unsigned seconds;
    enum guest_kind guest;
    enum eye eye;                   /* EYE_ALWAYS: every phase must have been seen */
    const char *cpu;                /* NULL: it was our choice */
    char complaint[COMPLAINT_SIZE]; /* of the emulator */
};

/* Puts "verdict" into the report; returns how the command ends. */
enum outcome judge(struct report *report, const struct closing *closing);

const char *report_verdict(const struct report *report);

#endif
