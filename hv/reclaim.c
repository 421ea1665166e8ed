/* SPDX-License-Identifier: MIT */
/*
 * The sweep, driven; see reclaim.h. Every call of the engine's is bounded, and the lock is free
 * while memory is read.
 */
#include "reclaim.h"

#include "flush.h"
#include "slots.h"
#include "types.h"

/* Most time goes into what is looked at in vain on the way: once there, take more than one. */
#define ENOUGH    order_frames(ORDER_2M)
#define READ_MOST (4u << 20) /* bytes; as long as nothing was found, there is no most */

static uint64_t frames_in_hand(const struct domain *domain)
{
    return pod_account(&domain->pod).cached;
}

static enum p2m_error protect(struct domain *domain, struct pod_sweep_kind kind,
                              struct pod_sweep *sweep)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = pod_sweep_protect(locked, &domain->pod, kind, sweep, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    /* Looked into, it is in pieces, whatever is found. */
    for (unsigned i = 0; kind.order < ORDER_1G && i < sweep->count; i++)
        slot_note(domain, sweep->item[i].gfn, SLOT_RECLAIMED);
    return error;
}

static void take(struct domain *domain, struct pod_sweep *sweep)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;

    for (unsigned i = 0; i < sweep->count; i++)
        pod_sweep_scan(&domain->pod, sweep, i);
    locked = p2m_lock(&domain->p2m);
    pod_sweep_finish(locked, &domain->pod, sweep, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
}

static bool is_enough(const struct domain *domain, uint64_t read_before)
{
    uint64_t frames = frames_in_hand(domain);
    uint64_t bytes = pod_events(&domain->pod).bytes_read - read_before;

    return frames >= ENOUGH || (frames > 0 && bytes >= READ_MOST);
}

/* Batches of one kind, until there is enough, or no more of it. */
static void sweep_kind(struct domain *domain, struct pod_sweep_kind kind, uint64_t read_before)
{
    enum p2m_error error;

    types_finish(domain); /* a sweep must know what is what */
    do {
        struct pod_sweep sweep = { .count = 0 };

        error = protect(domain, kind, &sweep);
        if (error == P2M_OK)
            take(domain, &sweep);
    } while ((error == P2M_OK || error == P2M_AGAIN) && !is_enough(domain, read_before));
}

void reclaim_unwritten(struct domain *domain)
{
    sweep_kind(domain, pod_sweep_kinds[0], pod_events(&domain->pod).bytes_read);
}

bool reclaim(struct domain *domain)
{
    uint64_t read_before = pod_events(&domain->pod).bytes_read;

    for (unsigned i = 0; i < POD_SWEEP_KINDS && frames_in_hand(domain) == 0; i++)
        sweep_kind(domain, pod_sweep_kinds[i], read_before);
    return frames_in_hand(domain) > 0;
}

void reclaim_release(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);

    pod_release(locked, &domain->pod, gfn);
    p2m_unlock(locked);
}
