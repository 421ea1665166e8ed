/* SPDX-License-Identifier: MIT */
/*
 * The look-up for the guest that is running: what was found is kept, as a processor keeps
 * translations, and is found again without a walk. Embed one for each vCPU.
 *
 * Why what is kept may be believed: whatever leaves the map, or loses a right, is a debt with a
 * flush, and settling begins with a new generation; what was kept in an older one is not used. A
 * look-up between a change and its settling may say what was there before, as a processor may. The
 * frame is still the guest's then: it is owed, and paying needs the lock, which the caller holds
 * from the look-up until it is done with the frame. Only what has a frame is kept; what is added to
 * the map is no debt, and is looked up.
 *
 * It is for reading. A processor is waited for before writes that were held off are believed to be,
 * a host that holds the lock is not: who writes asks p2m_gfn_to_mfn, since p2m_mark_dirty needs a
 * walk in any case.
 *
 * Refuses to know processors, flushes, and what the frame is wanted for.
 */
#ifndef P2M_CURRENT_H
#define P2M_CURRENT_H

#include "p2m/pod.h"

#define P2M_CURRENT_ITEMS 16 /* of each size; a superpage takes one */

/* Its fields are the engine's alone. */
struct p2m_current {
    struct pod *pod;
    struct p2m_current_item {
        uint64_t generation;    /* kept in this one, and good for it alone */
        gfn_t gfn;              /* the first of the leaf */
        struct p2m_entry entry; /* of that frame */
    } item[ORDER_SIZES][P2M_CURRENT_ITEMS];
};

/*
 * p2m_current_create - nothing is kept yet.
 *   Units:   none.
 *   Context: after pod_create. There is nothing to destroy.
 *   Errors:  none.
 *   Debts:   none.
 */
void p2m_current_create(struct p2m_current *current, struct pod *pod);

/*
 * p2m_gfn_to_mfn_current - p2m_gfn_to_mfn, from what is kept where it can be.
 *   Units:   any gfn. Order, type, A and D are as they were when it was kept: since then the leaf
 *            may have been split or merged, got more rights, or been written to.
 *   Context: P2M held, until the caller has read what it wants to read.
 *   Errors:  as p2m_gfn_to_mfn.
 *   Debts:   none.
 */
enum p2m_error p2m_gfn_to_mfn_current(struct p2m_locked locked, struct p2m_current *current,
                                      gfn_t gfn, struct p2m_entry *entry,
                                      struct pod_grant *grant) P2M_MUST_CHECK;

#endif
