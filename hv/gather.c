/* SPDX-License-Identifier: MIT */
/*
 * Gathering, driven; see gather.h.
 */
#include "gather.h"

#include "cpu.h"
#include "devices.h"
#include "flush.h"
#include "frames.h"
#include "guest_memory.h"
#include "lib.h"
#include "stop.h"

#define LOOK_NS 50000000u
#define NO_PAGE GFN(UINT64_MAX)

/* What is mapped there now is the guest's memory, and no more in hand. */
static void note_memory(struct p2m_locked locked, struct domain *domain, gfn_t gfn, unsigned order)
{
    gfn_t end = gfn_add(gfn, order_frames(order));

    while (gfn.gfn < end.gfn) {
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

        if (p2m_type_class(entry.type) == P2M_CLASS_RAM)
            frames_set_state(entry.mfn, entry.order, FRAME_RAM, domain->id);
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
}

/* RAM is what of the copy is mapped now; what is not is in hand, as it was. */
static void note_copy(struct p2m_locked locked, struct domain *domain, const struct pod_grant *copy)
{
    uint64_t done = 0, frames = order_frames(copy->order);

    while (done < frames) {
        struct p2m_entry entry =
            p2m_get_entry(p2m_locked_walking(locked), gfn_add(copy->gfn, done));
        unsigned order = entry.order < copy->order ? entry.order : copy->order;

        if (entry.mfn.mfn == copy->mfn.mfn + done)
            frames_set_state(entry.mfn, order, FRAME_RAM, domain->id);
        done += order_frames(order);
    }
}

static void finish(struct domain *domain, const struct pod_move *move)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);

    pod_move_finish(locked, &domain->pod, move);
    note_copy(locked, domain, &move->to);
    p2m_unlock(locked);
}

static void move_on(struct domain *domain, const struct pod_move *move)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;
    bool is_unmapped;

    memcpy(direct_map(move->to.mfn.mfn << FRAME_SHIFT), direct_map(move->from.mfn << FRAME_SHIFT),
           (size_t)FRAME_SIZE << move->to.order);
    locked = p2m_lock(&domain->p2m);
    is_unmapped = pod_move_unmap(locked, &domain->pod, move, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    if (is_unmapped)
        finish(domain, move);
}

/* It is over: the rest of the slot may have been populated at once, and it may be one leaf. */
static void note_gathered(struct p2m_locked locked, struct domain *domain, gfn_t slot)
{
    if (slot.gfn >> ORDER_1G >= SLOTS_MAX) /* it was for none */
        return;
    note_memory(locked, domain, slot, ORDER_1G);
    if (p2m_get_entry(p2m_locked_walking(locked), slot).order == ORDER_1G)
        domain->slot_reason[slot.gfn >> ORDER_1G] = SLOT_WHOLE;
}

/* The host's own pointer must not keep a GB from coming together: it is taken anew afterwards. That
 * of the first vCPU only; the host's lock is held throughout, so that nobody uses it meanwhile. */
static gfn_t let_go(struct domain *domain)
{
    struct guest_pointer *page = &domain->vcpu[0].info_page;
    gfn_t gfn = page->host ? page->gfn : NO_PAGE;

    guest_unpin(domain, page);
    return gfn;
}

static void take_hold(struct domain *domain, gfn_t gfn)
{
    if (gfn.gfn == NO_PAGE.gfn || guest_pin(domain, gfn, &domain->vcpu[0].info_page))
        return;
    domain_stop(domain, STOP_HOST_BUG, "a page shared with it was lost");
}

/* To look costs a walk through the map: when there was nothing, not soon again. */
static bool is_worth_it(struct domain *domain)
{
    enum p2m_error error;

    if (clock_ns() < domain->gather_ns)
        return false;
    do {
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = pod_gather_start(locked, &domain->pod);
        p2m_unlock(locked);
    } while (error == P2M_AGAIN);
    if (error != P2M_OK)
        domain->gather_ns = clock_ns() + LOOK_NS;
    return error == P2M_OK;
}

static enum p2m_error next(struct domain *domain, struct pod_move *move)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    gfn_t slot = pod_gather_slot(&domain->pod);
    enum p2m_error error = pod_gather_next(locked, &domain->pod, move, &debt);

    if (error == P2M_EMPTY)
        note_gathered(locked, domain, slot);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    return error;
}

static uint64_t step(struct domain *domain)
{
    struct pod_move move;
    enum p2m_error error;

    do
        error = next(domain, &move);
    while (error == P2M_AGAIN);
    if (error != P2M_OK)
        return 0;
    move_on(domain, &move);
    return order_frames(move.to.order);
}

uint64_t gather_step(struct domain *domain)
{
    uint64_t frames;
    gfn_t page;

    if (!is_worth_it(domain))
        return 0;
    page = let_go(domain);
    frames = step(domain);
    take_hold(domain, page);
    return frames;
}
