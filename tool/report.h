/* SPDX-License-Identifier: MIT */
/*
 * The report: what the records say, put together as docs/report.md describes it.
 * Refuses to judge: it only files.
 */
#ifndef TOOL_REPORT_H
#define TOOL_REPORT_H

#include <cjson/cJSON.h>

#include "qemu.h"

struct report {
    cJSON *root;   /* what becomes report.json */
    cJSON *error;  /* the hypervisor's refusal, a string in root; NULL: none */
    cJSON *end;    /* its verdict, a string; NULL: it did not get there */
    int exit_code; /* its last word; 0: none */
};

void report_init(struct report *report, const struct machine *machine);

/*
 * report_add - file one record. Returns the phase that a phase record was filed as (so that what
 * the eye saw can be added to it), else NULL. The record stays the caller's.
 */
cJSON *report_add(struct report *report, const cJSON *record);

/* A member that is a number, or 0. */
double report_number(const cJSON *object, const char *name);

/* Of all members that are numbers, but "total", which would count them twice. */
double report_sum(const cJSON *object);

/* Removes the report of an earlier run; it must not be taken for this one's. */
enum outcome report_forget(const char *directory);

/* Writes "<directory>/report.json", whole or not at all. */
enum outcome report_write(const struct report *report, const char *directory);

#endif
