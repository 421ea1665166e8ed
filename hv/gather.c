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

#define LOOK_NS 50000000u
#define NO_PAGE GFN(UINT64_MAX)

static void finish(struct domain *domain, const struct pod_move *move)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry;

    pod_move_finish(locked, &domain->pod, move);
    entry = p2m_get_entry(p2m_locked_walking(locked), move->to.gfn);
    if (entry.mfn.mfn == move->to.mfn.mfn)
        frames_set_state(move->to.mfn, move->to.order, FRAME_RAM, domain->id);
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

/* The rest of a slot was populated at once: all that it maps is RAM, and it is one leaf now. */
static void note_slot(struct p2m_locked locked, struct domain *domain, gfn_t slot)
{
    gfn_t end = gfn_add(slot, order_frames(ORDER_1G));
    gfn_t gfn = slot;

    while (gfn.gfn < end.gfn) {
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

        if (p2m_type_class(entry.type) == P2M_CLASS_RAM)
            frames_set_state(entry.mfn, entry.order, FRAME_RAM, domain->id);
        if (entry.order == ORDER_1G)
            domain->slot_reason[slot.gfn >> ORDER_1G] = SLOT_WHOLE;
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
}

/* The host's own pointer must not keep a GB from coming together: it is taken anew afterwards. The
 * guest does not run meanwhile, and nobody else uses it. */
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
    domain->stop = STOP_HOST_BUG;
    format(domain->stop_details, sizeof(domain->stop_details), "a page shared with it was lost");
}

/* To look costs a walk through the map: when there was nothing, not soon again. */
static bool is_worth_it(struct p2m_locked locked, struct domain *domain)
{
    if (clock_ns() < domain->gather_ns)
        return false;
    if (pod_gather_start(locked, &domain->pod))
        return true;
    domain->gather_ns = clock_ns() + LOOK_NS;
    return false;
}

static bool step(struct domain *domain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    uint64_t populated = pod_account(&domain->pod).populated;
    enum p2m_error error = P2M_EMPTY;
    struct pod_move move;

    if (is_worth_it(locked, domain)) {
        gfn_t slot = pod_gather_slot(&domain->pod);

        error = pod_gather_next(locked, &domain->pod, &move, &debt);
        if (pod_account(&domain->pod).populated > populated)
            note_slot(locked, domain, slot);
    }
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    if (error == P2M_OK)
        move_on(domain, &move);
    return error == P2M_OK;
}

bool gather_step(struct domain *domain)
{
    gfn_t page = let_go(domain);
    bool moved = step(domain);

    take_hold(domain, page);
    return moved;
}
