/* SPDX-License-Identifier: MIT */
/*
 * One look at a guest's tables: every entry read once, counted, checked, and put together to runs.
 * Refuses to know options and output.
 */
#ifndef EYE_LOOK_H
#define EYE_LOOK_H

#include <stddef.h>

#include "machine.h"
#include "manuals.h"

#define PROBLEMS_MAX   8
#define PROBLEM_LENGTH 160

/* Guest frames in a row, of one type, whose machine frames (if the type has any) are in a row. */
struct run {
    uint64_t gfn, mfn, frames;
    enum type type;
    uint64_t entries[SIZES];  /* by level: 4K, 2M, 1G */
    uint64_t accessed, dirty; /* how many of the entries have the bit */
};

struct sight {
    uint64_t ram[SIZES], marked[SIZES];
    uint64_t special; /* leaves that are no RAM: host's pages and devices */
    uint64_t broken;
    uint64_t untouched; /* frames under leaves of RAM that nobody has accessed */
    uint64_t table_pages;
    uint64_t ram_runs;
    uint64_t errors;
    char problem[PROBLEMS_MAX][PROBLEM_LENGTH]; /* the first few errors, in words */
    struct run *run;                            /* of all types, by guest frame */
    size_t run_count, run_room;
};

/*
 * look - walk the tables below root and tell all that was seen; what is wrong is in the errors.
 * Ends the program if the host has no memory for it. sight_forget frees what it holds.
 */
void look(const struct machine *machine, const struct format *format, uint64_t root,
          struct sight *sight);
void sight_forget(struct sight *sight);

#endif
