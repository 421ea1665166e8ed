/* SPDX-License-Identifier: MIT */
/*
 * Test calls about types: a tiny guest has the type of its memory changed under its feet.
 */
#ifndef HV_TEST_TYPES_H
#define HV_TEST_TYPES_H

#include "guest.h"

enum test_types_call {
    TEST_CHANGE = 30,        /* (gfn, end | from << 40 | to << 48): change the type of a range */
    TEST_CHANGE_ONE = 31,    /* the same, of one frame; end does not count */
    TEST_CHANGE_BACK = 32,   /* (): all RAM is read-only, and before the guest runs as it was */
    TEST_CHANGE_FINISH = 33, /* (): carry out what is pending; 0: nothing was */
    TEST_LOG_START = 34,     /* (mode, grain): enum p2m_log_mode, 0 or 9: note what is written */
    TEST_LOG_COLLECT = 35,   /* (): what was, and that is clean now; how many pieces */
    TEST_LOG_SAYS = 36,      /* (index): did the last collection say so of this piece? */
    TEST_LOG_STOP = 37,      /* (): note no more */
};

/* As test_call, for the calls above. */
int64_t test_types_call(struct domain *domain, uint64_t operation, gfn_t gfn, uint64_t value);

#endif
