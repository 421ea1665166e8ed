/* SPDX-License-Identifier: MIT */
/*
 * The requests of the xenstore protocol: a whole message in, and out go a reply and the events that
 * it brings about. Refuses to know rings, and how a message came to be whole.
 */
#ifndef HV_XENSTORE_REQUESTS_H
#define HV_XENSTORE_REQUESTS_H

#include "guest.h"

/*
 * xenstore_handle - answer the message in store.in. xenstore_announce - tell the watches that the
 * node `name` has changed.
 *   Units:   what there is to say is added to store.out.
 *   Context: store.out is empty, which leaves room for all of it; the message is whole, its payload
 *            no longer than the protocol allows.
 *   Errors:  go to the guest, as the protocol spells them.
 */
void xenstore_handle(struct domain *domain);
void xenstore_announce(struct domain *domain, const char *name);

#endif
