/* SPDX-License-Identifier: MIT */
/*
 * The xenstore that a guest talks to: the wire protocol over the ring page that the two share. One
 * message at a time is taken, answered, and only followed by the next when all of the answer is in
 * the ring; so that nothing here grows, whatever the guest does. A guest that breaks the protocol
 * is not listened to any more. Refuses to know what the keys are for, but for the two that the
 * guest's balloon reads.
 *
 * What it does not have: writing inside a transaction (EROFS), permissions, other guests.
 */
#ifndef HV_XENSTORE_H
#define HV_XENSTORE_H

#include "guest.h"

/*
 * xenstore_init - an empty ring, and the keys that the host gives this guest.
 *   Context: store_ring.host, maxmem_frames, memory_frames and has_target are set; the guest has
 *            not run.
 */
void xenstore_init(struct domain *domain);

/* Take what the guest has sent, give what there is room for. Cheap when there is nothing. */
void xenstore_serve(struct domain *domain);

/*
 * xenstore_set_target - what the guest's balloon is to make of its memory from now on. Without
 * domain->has_target the guest is not told.
 *   Units:   4K frames that it then has.
 */
void xenstore_set_target(struct domain *domain, uint64_t frames);

#endif
