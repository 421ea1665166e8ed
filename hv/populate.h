/* SPDX-License-Identifier: MIT */
/*
 * Promised memory is there when it is touched: whoever meets a mark, the guest or the host on its
 * behalf, comes here. Refuses to know who that is, and how long people are waited for.
 */
#ifndef HV_POPULATE_H
#define HV_POPULATE_H

#include "guest.h"

/*
 * populate - frames for the mark at gfn: from the cache, else from what is all zeroes, else from
 * whoever answers domain->on_dry.
 *   Context: P2M not held; may wait, and so not for ever but for long.
 *   Errors:  true: look again. false: there is no memory, and domain->stop says why.
 */
bool populate(struct domain *domain, gfn_t gfn);

#endif
