/* SPDX-License-Identifier: MIT */
/*
 * A guest's whole life: create, run, audit, destroy. Also the host's side of the engine's contract
 * (p2m/host.h), because a P2M here is always a domain's.
 * Refuses to know vendors, exits, and how memory is found.
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include "guest.h"
#include "pvh.h"

struct domain_config {
    const char *name;
    uint64_t memory_frames;  /* what it is to have */
    uint64_t maxmem_frames;  /* what it is promised; the same: it is there from the start */
    unsigned max_order;      /* of leaves: 0, 9 or 18; the processor may allow less */
    unsigned pod_max_order;  /* of what is populated on demand */
    unsigned pod_debt_order; /* of leaves while its balloon owes */
    uint64_t patience_ns;    /* how long it waits when it has nothing in hand */
    bool has_target;         /* its balloon is told what it is to have */
    bool test_calls;
    struct pvh_image image;
};

/*
 * domain_create - memory, special pages, kernel loaded, one vCPU ready to run.
 *   Units:   memory in 4K frames.
 *   Context: frames, clock and vendor are up.
 *   Errors:  NULL when all is well, else one line for people; nothing is left behind.
 */
const char *domain_create(struct domain *domain, unsigned id, const struct domain_config *config);

/*
 * domain_destroy - everything goes back to the host.
 *   Context: the guest does not run, and no processor but the caller has a vCPU of it.
 */
void domain_destroy(struct domain *domain);

/*
 * domain_audit - the engine's audit, and then the map against the machine's frames: each frame of a
 * leaf is this domain's, in the state that the leaf's type calls for, and none is left over. Says
 * each error on the console. Returns how many there are.
 */
uint64_t domain_audit(struct domain *domain);

/* How the guest's 1 GB slots are mapped: whole + the sum over reasons = slots. */
struct slot_summary {
    unsigned slots; /* that hold any frames */
    unsigned whole;
    unsigned promised;              /* that hold marks, and no frames */
    unsigned reasons[SLOT_REASONS]; /* [SLOT_WHOLE] counts slots in pieces without a known cause */
};
struct slot_summary domain_slots(struct domain *domain);

const char *slot_reason_name(enum slot_reason reason);

#endif
