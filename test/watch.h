/* SPDX-License-Identifier: MIT */
/*
 * Recording memory: between watch_begin and watch_end every store to a table page that a walker can
 * reach stops at that very instruction, whoever made it and by whatever means, and what a walker
 * sees then is taken down. It can also be the processor that comes in between: just before each
 * such store, it writes to the guest frame that the entry covers, and so sets A and D in it.
 * Refuses to know what is being done, and whether it is right.
 */
#ifndef TEST_WATCH_H
#define TEST_WATCH_H

#include "view.h"

#define WATCH_VIEWS  600u
#define WATCH_WRITES 4096u

enum meddling { WATCH_ONLY, WATCH_AND_WRITE };

/* A guest's write: where to, and which frame was there. */
struct written {
    gfn_t gfn;
    mfn_t mfn;
};

struct watched {
    unsigned stores;          /* to what a walker could reach */
    unsigned views;           /* that differ from the one before; [0] is from before all stores */
    const struct view **view; /* `views` of them */
    unsigned writes;
    const struct written *write;
};

void watch_begin(const struct processor *processor, enum meddling meddling);

/* What was seen; until the next watch_begin. */
struct watched watch_end(void);

#endif
