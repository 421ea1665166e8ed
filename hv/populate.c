/* SPDX-License-Identifier: MIT */
/*
 * Promised memory is there when it is touched; see populate.h. A block that must be cleared is
 * cleared without the lock, and is the guest's RAM from the moment that it is in the map.
 */
#include "populate.h"

#include "clear.h"
#include "devices.h"
#include "frames.h"
#include "number.h"
#include "reclaim.h"
#include "slots.h"
#include "stop.h"

/* A slot that now holds a leaf smaller than itself: why? */
static enum slot_reason reason_for_pieces(const struct domain *domain, gfn_t gfn,
                                          const struct pod_account *before)
{
    if (!slot_is_all_ram(domain, gfn))
        return SLOT_PARTIAL;
    if (p2m_max_order(&domain->p2m) < ORDER_1G || domain->pod_max_order < ORDER_1G)
        return SLOT_NO_1G_PROCESSOR;
    return pod_in_debt(before) ? SLOT_POPULATED_IN_DEBT : SLOT_NO_1G_FRAME;
}

/* What was mapped since then is one aligned block, whatever the leaves that it is mapped by. */
static void note_mapped(struct p2m_locked locked, struct domain *domain, gfn_t gfn,
                        const struct pod_account *before)
{
    uint64_t frames = pod_account(&domain->pod).populated - before->populated;
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    unsigned order;

    if (frames == 0)
        return;
    order = (unsigned)__builtin_ctzll(frames);
    frames_set_state(MFN(frame_align_down(entry.mfn.mfn, order)), order, FRAME_RAM, domain->id);
    if (entry.order < ORDER_1G)
        slot_note(domain, gfn, reason_for_pieces(domain, gfn, before));
    if (entry.order < ORDER_1G && pod_in_debt(before))
        domain->merge_slots_later = true;
}

static enum p2m_error try_once(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct pod_account before = pod_account(&domain->pod);
    struct pod_grant grant;
    enum p2m_error error = pod_demand_populate(locked, &domain->pod, gfn, &grant);

    if (error == P2M_UNCLEAN) {
        p2m_unlock(locked);
        clear_block(grant.mfn, grant.order);
        locked = p2m_lock(&domain->p2m);
        before = pod_account(&domain->pod);
        error = pod_finish_populate(locked, &domain->pod, &grant);
    }
    note_mapped(locked, domain, gfn, &before);
    p2m_unlock(locked);
    return error;
}

/* ---- when there is nothing ------------------------------------------------------------------ */

static void stop_dry(struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);
    uint64_t has = pod_frames(&account);
    uint64_t owed = account.entries - account.cached - account.granted;

    domain_stop(domain, STOP_OUT_OF_MEMORY,
                "out of PoD memory: promised %lu MB, has %lu MB, %lu MB populated, %lu MB still "
                "owed by its balloon",
                megabytes(domain->maxmem_frames), megabytes(has), megabytes(account.populated),
                megabytes(owed));
}

static void stop_without_tables(struct domain *domain, gfn_t gfn)
{
    domain_stop(domain, STOP_OUT_OF_TABLES, "no page for the tables of guest address 0x%lx",
                gfn.gfn << FRAME_SHIFT);
}

/* Waiting for people is counted, but it is no pause of ours. */
static void note_pause(struct domain *domain, uint64_t begin)
{
    uint64_t pause = clock_ns() - begin;

    if (pause > domain->pause_ns_max)
        domain->pause_ns_max = pause;
}

static bool prefers_sweep(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    bool prefers = pod_prefers_sweep(locked, &domain->pod, gfn);

    p2m_unlock(locked);
    return prefers;
}

static enum p2m_error try_with_reclaim(struct domain *domain, gfn_t gfn)
{
    uint64_t begin = clock_ns();
    enum p2m_error error;

    if (prefers_sweep(domain, gfn))
        reclaim_unwritten(domain);
    do
        error = try_once(domain, gfn);
    while (error == P2M_EMPTY && reclaim(domain));
    note_pause(domain, begin);
    return error;
}

bool populate(struct domain *domain, gfn_t gfn)
{
    enum p2m_error error;

    do
        error = try_with_reclaim(domain, gfn);
    while (error == P2M_EMPTY && domain->on_dry && domain->on_dry(domain));
    if (error == P2M_EMPTY)
        stop_dry(domain);
    else if (error == P2M_NO_MEMORY)
        stop_without_tables(domain, gfn);
    return domain->stop == STOP_NONE;
}
