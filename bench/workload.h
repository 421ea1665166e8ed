/* SPDX-License-Identifier: MIT */
/*
 * What is measured, as data: a workload is a row of the results, once for each size and format.
 * Refuses to know how it is measured (measure.h), and what Xen needs for the same (xen.tsv).
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "guest.h"

#define WORKLOAD_SIZES 3

/* What is done: a guest is prepared, then operations are measured, one after the other. */
struct steps {
    void (*prepare)(struct guest *guest);                 /* or NULL */
    void (*operate)(struct guest *guest, uint64_t index); /* measured */
    void (*between)(struct guest *guest, uint64_t index); /* after each, not measured; or NULL */
};

struct workload {
    const char *name;
    unsigned order;                     /* what operations are about */
    uint64_t gigabytes[WORKLOAD_SIZES]; /* sizes of the guest; 0: no more */
    const struct steps *steps;
    uint64_t operations; /* 0: one for each block of that order that the guest has */
    uint64_t parts;      /* results are for one of so many in an operation */
    uint64_t sample;     /* operations that make one sample of time; 0: a 64th of all */
};

struct workloads {
    const struct workload *list;
    unsigned count;
};
extern const struct workloads workloads_map, workloads_type, workloads_pod, workloads_cache,
    workloads_sweep;

#define WORKLOADS(list)                                                                            \
    {                                                                                              \
        list, sizeof(list) / sizeof((list)[0])                                                     \
    }

#endif
