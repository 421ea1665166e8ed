/* SPDX-License-Identifier: MIT */
/*
 * One span of ballooning; see balloon_spans.h.
 */
#include "balloon_spans.h"

#include <stddef.h>

#include "cpu.h"
#include "flush.h"
#include "frames.h"
#include "lib.h"
#include "slots.h"

/* ---- decrease ------------------------------------------------------------------------------- */

/* Are these the guest's own to give? */
static bool may_go(struct p2m_locked locked, struct gfn_range span)
{
    gfn_t gfn = span.from;

    while (gfn.gfn < span.end.gfn) {
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

        if (p2m_type_class(entry.type) == P2M_CLASS_OTHER)
            return false;
        gfn = GFN(frame_align_down(gfn.gfn, entry.order) + order_frames(entry.order));
    }
    return true;
}

bool balloon_decrease_span(struct domain *domain, struct gfn_range span)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct gfn_range range = span;
    mfn_t none = INVALID_MFN;
    bool done =
        may_go(locked, span) && p2m_set_range(locked, &range, &none, P2M_INVALID, &debt) == P2M_OK;

    p2m_unlock(locked);
    if (debt.count > 0)
        slot_note(domain, span.from, SLOT_BALLOONED);
    flush_settle(domain, &debt);
    return done;
}

/* ---- populate ------------------------------------------------------------------------------- */

static bool is_guest_ram(const struct domain *domain, struct gfn_range span)
{
    for (unsigned i = 0; i < domain->ram_count; i++)
        if (span.from.gfn >= domain->ram[i].from.gfn && span.end.gfn <= domain->ram[i].end.gfn)
            return true;
    return false;
}

/* Cleared, unless the map refuses it: then it was for nothing, and it is the host's again. */
static bool give(struct domain *domain, gfn_t gfn, struct p2m_mapping mapping)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;
    enum p2m_error error;

    if (!mfn_is_valid(mapping.mfn))
        return false;
    memset(direct_map(mapping.mfn.mfn << FRAME_SHIFT), 0, (size_t)FRAME_SIZE << mapping.order);
    locked = p2m_lock(&domain->p2m);
    error = p2m_set_entry(locked, gfn, mapping, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    if (error == P2M_OK)
        return true;
    frames_free(mapping.mfn, mapping.order);
    return false;
}

/* Nothing is there: asked first, so that a refusal costs no clearing. */
static bool is_empty(struct domain *domain, gfn_t gfn, unsigned order)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry;
    gfn_t end = gfn_add(gfn, order_frames(order));

    do {
        entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
        gfn = GFN(frame_align_down(gfn.gfn, entry.order) + order_frames(entry.order));
    } while (entry.type == P2M_INVALID && gfn.gfn < end.gfn);
    p2m_unlock(locked);
    return entry.type == P2M_INVALID;
}

static bool populate_region(struct domain *domain, gfn_t gfn)
{
    struct p2m_mapping mapping = { .order = ORDER_2M, .type = P2M_RAM_RW };

    if (p2m_max_order(&domain->p2m) < ORDER_2M || !is_empty(domain, gfn, ORDER_2M))
        return false;
    mapping.mfn = frames_alloc(ORDER_2M, FRAME_RAM, domain->id);
    return give(domain, gfn, mapping);
}

/* ---- placement ------------------------------------------------------------------------------ */

/* Where the frame would be if all of its region lay in one block: known from the frame that was
 * given before it, else from any other of the region. */
static mfn_t wanted_frame(struct domain *domain, gfn_t gfn, enum direction direction)
{
    gfn_t region = GFN(frame_align_down(gfn.gfn, ORDER_2M));
    gfn_t at = direction == UP ? GFN(gfn.gfn - 1) : gfn_add(gfn, 1);
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), at);

    if (frame_align_down(at.gfn, ORDER_2M) != region.gfn)
        entry.type = P2M_INVALID;
    for (uint64_t i = 0; entry.type != P2M_RAM_RW && i < REGION; i++)
        entry = p2m_get_entry(p2m_locked_walking(locked), gfn_add(region, i));
    p2m_unlock(locked);
    return entry.type == P2M_RAM_RW ? MFN(entry.mfn.mfn + gfn.gfn - entry.gfn.gfn) : INVALID_MFN;
}

/* All of the frame's block of 2 MB but itself. */
static void free_rest(mfn_t kept)
{
    for (unsigned order = 0; order < ORDER_2M; order++) {
        uint64_t buddy = frame_align_down(kept.mfn, order) ^ order_frames(order);

        frames_free(MFN(buddy), order);
    }
}

/*
 * The first frame of its region, at its place in a free block of 2 MB. The rest of the block is for
 * those that follow, and is held back until the tables for this one are taken: they must not come
 * from there.
 */
static bool populate_first(struct domain *domain, gfn_t gfn)
{
    mfn_t block = frames_alloc(ORDER_2M, FRAME_RAM, domain->id);
    struct p2m_mapping mapping = { .order = ORDER_4K, .type = P2M_RAM_RW };
    bool done;

    if (!mfn_is_valid(block))
        return false;
    mapping.mfn = mfn_add(block, gfn.gfn % REGION);
    done = give(domain, gfn, mapping);
    free_rest(mapping.mfn);
    return done;
}

static bool populate_frame(struct domain *domain, gfn_t gfn, enum direction direction)
{
    struct p2m_mapping mapping = { .order = ORDER_4K, .type = P2M_RAM_RW };

    if (!is_empty(domain, gfn, ORDER_4K))
        return false;
    mapping.mfn = wanted_frame(domain, gfn, direction);
    if (!mfn_is_valid(mapping.mfn) && populate_first(domain, gfn))
        return true;
    if (!mfn_is_valid(mapping.mfn) ||
        !frames_alloc_at(mapping.mfn, ORDER_4K, FRAME_RAM, domain->id))
        mapping.mfn = frames_alloc(ORDER_4K, FRAME_RAM, domain->id);
    return give(domain, gfn, mapping);
}

bool balloon_populate_span(struct domain *domain, struct gfn_range span, enum direction direction)
{
    if (!is_guest_ram(domain, span))
        return false;
    if (gfn_range_frames(span) == REGION)
        return populate_region(domain, span.from);
    return populate_frame(domain, span.from, direction);
}
