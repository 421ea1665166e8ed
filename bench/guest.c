/* SPDX-License-Identifier: MIT */
/*
 * One guest under measurement; see guest.h. What a hypervisor does about a fault is done here as
 * hv/populate.c and hv/reclaim.c do it, but for the clearing of blocks: all that is handed is
 * clean.
 */
#include "guest.h"

#include <stdlib.h>

#define SPARE_TABLES 8192u

void guest_start(struct guest *guest, const struct pt_format *format, uint64_t frames)
{
    struct p2m_config config = { .format = format,
                                 .end = GFN(frames),
                                 .mfn_end = MFN(HOST_FRAMES_END),
                                 .max_order = ORDER_1G,
                                 .table_quota = UINT64_MAX / 2 };
    uint64_t tables = frames >> (guest->order > ORDER_2M ? ORDER_1G : ORDER_2M);

    host_start(tables + (tables >> ORDER_STEP) + SPARE_TABLES);
    config.direct_map = host_direct_map();
    must(p2m_create(&guest->p2m, &config));
    pod_create(&guest->pod, &guest->p2m, ORDER_1G);
    host_set_pod(&guest->pod);
    guest->locked = p2m_lock(&guest->p2m);
    guest->debt = P2M_NO_DEBT;
    guest->frames = frames;
    guest->pick = NULL;
    processor_start(&guest->processor, format == &npt_format ? MAKER_AMD : MAKER_INTEL,
                    config.direct_map, p2m_root_address(&guest->p2m));
}

void guest_end(struct guest *guest)
{
    free(guest->pick);
    p2m_unlock(guest->locked);
}

/* ---- the state that a workload starts from -------------------------------------------------- */

static void split_all(struct guest *guest, unsigned order)
{
    uint64_t step = order_frames(order + ORDER_STEP);

    for (uint64_t gfn = 0; order < ORDER_1G && gfn < guest->frames; gfn += step)
        must(p2m_split(guest->locked, GFN(gfn), order));
}

/* By 1 GB, and split: the same tables as by pieces, sooner. */
void guest_map(struct guest *guest, unsigned order)
{
    for (uint64_t gfn = 0; gfn < guest->frames; gfn += FRAMES_1G) {
        struct p2m_mapping mapping = { mfn_add(host_numbers(), gfn), ORDER_1G, P2M_RAM_RW };

        must(p2m_set_entry(guest->locked, GFN(gfn), mapping, &guest->debt));
    }
    split_all(guest, order);
}

void guest_mark(struct guest *guest, unsigned order)
{
    struct gfn_range range = { GFN(0), GFN(guest->frames) };

    must(pod_mark(guest->locked, &guest->pod, &range, &guest->debt));
    split_all(guest, order);
}

void guest_map_dirty(struct guest *guest, gfn_t gfn, mfn_t mfn, unsigned order)
{
    struct p2m_mapping mapping = { mfn, order, P2M_RAM_RW };

    must(p2m_set_entry(guest->locked, gfn, mapping, &guest->debt));
    must(p2m_mark_dirty(guest->locked, gfn));
}

void guest_hand(struct guest *guest, mfn_t mfn, unsigned order)
{
    must(pod_cache_reserve(guest->locked, &guest->pod, 1));
    pod_cache_add(guest->locked, &guest->pod, mfn, order, POD_CLEAN);
}

void guest_settle(struct guest *guest)
{
    p2m_end_settle(&guest->p2m, p2m_begin_settle(&guest->p2m));
    while (p2m_pay(guest->locked, &guest->debt) == P2M_AGAIN)
        ;
    pod_trim(guest->locked, &guest->pod);
}

void guest_turn(struct guest *guest)
{
    p2m_unlock(guest->locked);
    guest->locked = p2m_lock(&guest->p2m);
}

/* ---- random numbers: the same as in the figures of Xen's ------------------------------------- */

static uint64_t random_state;

static uint64_t random_below(uint64_t end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint64_t)((unsigned __int128)random_state * end >> 64);
}

static void pick_start(struct guest *guest, uint64_t count)
{
    random_state = 88172645463325252u;
    guest->pick = calloc(count, sizeof(*guest->pick));
    if (!guest->pick)
        give_up("no memory for the numbers");
}

void guest_pick_random(struct guest *guest, uint64_t count)
{
    pick_start(guest, count);
    for (uint64_t i = 0; i < count; i++)
        guest->pick[i] = random_below(guest->frames);
}

void guest_pick_blocks(struct guest *guest, unsigned order)
{
    uint64_t count = guest->frames >> order;

    pick_start(guest, count);
    for (uint64_t i = 0; i < count; i++)
        guest->pick[i] = i << order;
    for (uint64_t i = count - 1; i > 0; i--) {
        uint64_t other = random_below(i + 1), here = guest->pick[i];

        guest->pick[i] = guest->pick[other];
        guest->pick[other] = here;
    }
}

/* ---- what a hypervisor does ----------------------------------------------------------------- */

enum p2m_error guest_sweep(struct guest *guest, struct pod_sweep_kind kind)
{
    struct pod_sweep sweep;
    enum p2m_error error =
        pod_sweep_protect(guest->locked, &guest->pod, kind, &sweep, &guest->debt);

    if (error != P2M_OK)
        return error;
    guest_settle(guest);
    processor_flush(&guest->processor);
    for (unsigned i = 0; i < sweep.count; i++)
        pod_sweep_scan(&guest->pod, &sweep, i);
    pod_sweep_finish(guest->locked, &guest->pod, &sweep, &guest->debt);
    guest_settle(guest);
    return P2M_OK;
}

static bool has_frames(const struct guest *guest)
{
    return pod_cache_counts(&guest->pod).frames > 0;
}

static void sweep_kind(struct guest *guest, struct pod_sweep_kind kind)
{
    enum p2m_error error;

    do
        error = guest_sweep(guest, kind);
    while ((error == P2M_OK || error == P2M_AGAIN) && !has_frames(guest));
}

enum p2m_error guest_populate(struct guest *guest, gfn_t gfn)
{
    struct pod_grant grant;
    enum p2m_error error;

    if (pod_prefers_sweep(guest->locked, &guest->pod, gfn))
        sweep_kind(guest, pod_sweep_kinds[0]);
    for (unsigned i = 0; i < POD_SWEEP_KINDS && !has_frames(guest); i++)
        sweep_kind(guest, pod_sweep_kinds[i]);
    error = pod_demand_populate(guest->locked, &guest->pod, gfn, &grant);
    if (error == P2M_UNCLEAN)
        give_up("a block was not clean");
    return error;
}

/* ---- the guest's own accesses --------------------------------------------------------------- */

static void see_to_fault(struct guest *guest, gfn_t gfn, enum processor_answer answer)
{
    if (answer == ANSWER_NOT_PRESENT)
        must(guest_populate(guest, gfn));
    else if (answer == ANSWER_NOT_ALLOWED)
        pod_release(guest->locked, &guest->pod, gfn);
    else
        give_up("the guest runs into something malformed");
}

void guest_write(struct guest *guest, gfn_t gfn, unsigned index, uint64_t word)
{
    struct processor_translation seen;

    while (seen = processor_store(&guest->processor, gfn, index, word), seen.answer > ANSWER_WALKED)
        see_to_fault(guest, gfn, seen.answer);
}

void guest_read(struct guest *guest, gfn_t gfn)
{
    struct processor_translation seen;
    uint64_t word;

    while (seen = processor_load(&guest->processor, gfn, 0, &word), seen.answer > ANSWER_WALKED)
        see_to_fault(guest, gfn, seen.answer);
}
