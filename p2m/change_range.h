/* SPDX-License-Identifier: MIT */
/*
 * For those who change a whole range of entries: what they find must be what it says it is.
 */
#ifndef P2M_CHANGE_RANGE_H
#define P2M_CHANGE_RANGE_H

#include "p2m/change.h"

/* No change of type is pending in this range any more. In proportion to the tables in it. */
void change_resolve(struct p2m *p2m, struct gfn_range range);

#endif
