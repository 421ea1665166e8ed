/* SPDX-License-Identifier: MIT */
/*
 * Choices become operations, each checked against the model: seeded this is a property test, on a
 * file of bytes a regression.
 */
#ifndef TEST_VERBS_H
#define TEST_VERBS_H

#include "choices.h"
#include "histogram.h"

struct pt_format;

struct verbs_plan {
    const struct pt_format *format;
    struct choices choices;
    uint64_t operations;  /* at most; fewer when the choices end */
    uint64_t audit_first; /* after each of so many the audit runs */
    uint64_t check_every; /* then after each of so many; and all of the map is compared */
};

/* A map from its making to its end; fails the test at the first thing that is wrong. */
void verbs_run(const struct verbs_plan *plan, struct histogram *histogram);

#endif
