/* SPDX-License-Identifier: MIT */
/*
 * The tables of cases, by header, and the places that they are about. Refuses to know how they are
 * tried.
 */
#ifndef TEST_VERB_CASES_H
#define TEST_VERB_CASES_H

#include "trial.h"

#define HERE     GFN(0x40000)
#define PROMISED GFN(0x80000)
#define RAM      MFN(0x40000)
#define IN_HAND  MFN(0x80000)

extern const struct verb_case verb_cases_map[];
extern const struct verb_case verb_cases_cache[];
extern const struct verb_case verb_cases_pod[];
extern const struct verb_case verb_cases_sweep[];
extern const struct verb_case verb_cases_change[];

#endif
