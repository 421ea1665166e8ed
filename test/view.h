/* SPDX-License-Identifier: MIT */
/*
 * All that a walker can see of a map at one instant: runs of guest frames that are translated
 * alike, and the table pages that it reads. Two maps that translate alike look alike, whatever
 * their entries' sizes. Refuses to know the engine: it asks the processor.
 */
#ifndef TEST_VIEW_H
#define TEST_VIEW_H

#include "processor.h"

/* Guest frames in a row whose frames are in a row, too. */
struct stretch {
    gfn_t gfn;
    uint64_t frames;
    mfn_t mfn;
    unsigned rights;
};

/* A table page, the first guest frame that it covers, and its level, 4 to 1. */
struct linked {
    mfn_t table;
    gfn_t gfn;
    unsigned level;
};

#define VIEW_STRETCHES 1024u
#define VIEW_TABLES    64u

struct view {
    unsigned stretches, tables;
    gfn_t malformed; /* where a walk ran into what is no table; none: UINT64_MAX */
    struct stretch stretch[VIEW_STRETCHES];
    struct linked table[VIEW_TABLES];
};

void view_take(struct view *view, const struct processor *processor);

bool view_is_same(const struct view *a, const struct view *b);

/* The first guest frame that `now` translates neither as `before` does nor as `after`; or
 * UINT64_MAX. Where `before` stops every walk, what was meant to be found there may be found. */
gfn_t view_find_mixture(const struct view *before, const struct view *now, const struct view *after,
                        const struct view *meant);

/* Where this table page hangs, or NULL. */
const struct linked *view_find_table(const struct view *view, mfn_t table);

#endif
