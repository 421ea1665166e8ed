/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's command line: words of the form name=value, then " -- ", then the guest's own
 * command line, untouched. Refuses to know what an option does.
 */
#ifndef HV_OPTIONS_H
#define HV_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "limits.h"

struct options {
    char guest_name[NAME_LENGTH_MAX + 1];
    uint64_t guest_memory;   /* bytes that it is to have */
    uint64_t guest_maxmem;   /* bytes that it is promised; 0: the same */
    bool guest_balloon;      /* its balloon is told what it is to have */
    unsigned max_order;      /* largest leaf: 0, 9 or 18 */
    unsigned pod_max_order;  /* largest piece that is populated on demand: 0, 9 or 18 */
    unsigned pod_debt_order; /* largest leaf while its balloon owes: 0 or 9 */
    uint64_t pod_patience;   /* seconds that a guest waits for memory */
    unsigned fragment;       /* break the host's free memory down to this order; 18: leave it */
    bool hold;               /* wait for the host command after each phase */
    bool test_calls;         /* the guest may use the private hypercall of test_calls.h */
    const char *guest_line;  /* the guest's command line */
};

/*
 * options_parse - defaults, then what the line says.
 *   Context: `line` must stay: guest_line points into it.
 *   Errors:  NULL when all is well, else one line for people that names the word.
 */
const char *options_parse(const char *line, struct options *options);

#endif
