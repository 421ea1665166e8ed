/* SPDX-License-Identifier: MIT */
/*
 * The domain builder. The map is made of whole GBs: RAM up to 3 GB, the hole for the host's pages
 * in the fourth, the rest from 4 GB up; so that no slot is cut but the last. Memory is given whole,
 * or promised whole; what is loaded before the guest runs is populated like all that is touched.
 */
#include "build.h"

#include <stddef.h>

#include "clear.h"
#include "flush.h"
#include "frames.h"
#include "number.h"
#include "print.h"
#include "promise.h"
#include "slots.h"
#include "target.h"
#include "upkeep.h"

/* ---- the map -------------------------------------------------------------------------------- */

void build_layout(struct domain *domain, uint64_t frames)
{
    uint64_t hole = GUEST_HOLE_FROM.gfn, low = frames < hole ? frames : hole;
    uint64_t high = frames - low, top = GUEST_HOLE_END.gfn + high;

    domain->maxmem_frames = frames;
    domain->ram[0] = (struct gfn_range){ GFN(0), GFN(low) };
    domain->ram[1] = (struct gfn_range){ GUEST_HOLE_END, GFN(top) };
    domain->ram_count = high ? 2 : 1;
    /* Kernels look for free frames above RAM: one GB more may be mapped. */
    domain->end = GFN(frame_align_down(top + 2 * order_frames(ORDER_1G) - 1, ORDER_1G));
}

/* ---- memory that is there ------------------------------------------------------------------- */

/* The largest piece that the place in the guest, what is left, and the processor allow. */
static unsigned largest_order(const struct domain *domain, gfn_t gfn, gfn_t end)
{
    unsigned order = p2m_max_order(&domain->p2m);

    while (order > 0 &&
           (!frame_is_aligned(gfn.gfn, order) || order_frames(order) > end.gfn - gfn.gfn))
        order -= ORDER_STEP;
    return order;
}

/* A whole slot that does not start as 1 GB: whose fault is it? */
static void note_reason(struct domain *domain, gfn_t gfn, unsigned order)
{
    enum slot_reason reason = SLOT_NO_1G_FRAME;

    if (order == ORDER_1G)
        return;
    if (!slot_is_all_ram(domain, gfn))
        reason = SLOT_PARTIAL;
    else if (p2m_max_order(&domain->p2m) < ORDER_1G)
        reason = SLOT_NO_1G_PROCESSOR;
    slot_note(domain, gfn, reason);
}

/* One piece at gfn, of `order` or, where the host has none, of a smaller one; how large it became.
 */
static const char *give_piece(struct domain *domain, gfn_t gfn, unsigned *order)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_mapping mapping = { .type = P2M_RAM_RW };
    struct p2m_locked locked;
    enum p2m_error error;

    for (;;) {
        mapping.mfn = frames_alloc(*order, FRAME_RAM, domain->id);
        if (mfn_is_valid(mapping.mfn))
            break;
        if (*order == 0)
            return "the host ran out of memory while the guest was built";
        *order -= ORDER_STEP;
    }
    clear_block(mapping.mfn, *order);
    mapping.order = *order;
    locked = p2m_lock(&domain->p2m);
    error = p2m_set_entry(locked, gfn, mapping, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    if (error == P2M_OK)
        return NULL;
    frames_free(mapping.mfn, *order);
    return p2m_error_name(error);
}

static const char *build_range(struct domain *domain, struct gfn_range range)
{
    gfn_t gfn = range.from;

    while (gfn.gfn < range.end.gfn) {
        unsigned order = largest_order(domain, gfn, range.end);
        const char *error = give_piece(domain, gfn, &order);

        if (error)
            return error;
        note_reason(domain, gfn, order);
        gfn = gfn_add(gfn, order_frames(order));
    }
    return NULL;
}

/* ---- memory that is promised ---------------------------------------------------------------- */

#define CLEAR_STEP     (uint64_t)(1u << (30 - FRAME_SHIFT)) /* frames from one line to the next */
#define CLEAR_IS_QUICK (4 * CLEAR_STEP)

/* All that is in hand, so that no populate has to. */
static void clear_cache(struct domain *domain)
{
    uint64_t all = pod_account(&domain->pod).cached, cleared = 0, step;

    while ((step = upkeep_clear(domain, CLEAR_STEP)) > 0) {
        cleared += step;
        if (all > CLEAR_IS_QUICK)
            print("clearing the guest's memory: %lu of %lu MB\n", megabytes(cleared),
                  megabytes(all));
    }
}

/* The kernel will lay a page of the host's over a frame of the slot that it is loaded to, which is
 * then never one leaf again. The only whole GB in hand is for another slot, if there is anything
 * else that this one can be populated from; without a page for the table, it is taken after all. */
static void spare_whole_block(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct pod_cache_counts in_hand = pod_cache_counts(&domain->pod);
    enum p2m_error error = P2M_OK;

    if (in_hand.blocks[2] == 1 && in_hand.frames > order_frames(ORDER_1G))
        error = p2m_split(locked, GFN(0), ORDER_2M);
    p2m_unlock(locked);
    if (error != P2M_OK)
        print("%s: the whole GB in hand is not spared (%s)\n", domain->name, p2m_error_name(error));
}

static const char *promise_memory(struct domain *domain)
{
    enum p2m_error error = P2M_OK;

    for (unsigned i = 0; error == P2M_OK && i < domain->ram_count; i++)
        error = promise_mark(domain, domain->ram[i]);
    if (error == P2M_OK)
        error = target_fill(domain);
    if (error == P2M_EMPTY)
        return "the host ran out of memory while the guest was built";
    if (error != P2M_OK)
        return p2m_error_name(error);
    spare_whole_block(domain);
    clear_cache(domain);
    return NULL;
}

const char *build_memory(struct domain *domain)
{
    if (domain->memory_frames < domain->maxmem_frames)
        return promise_memory(domain);
    for (unsigned i = 0; i < domain->ram_count; i++) {
        const char *error = build_range(domain, domain->ram[i]);

        if (error)
            return error;
    }
    return NULL;
}
