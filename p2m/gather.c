/* SPDX-License-Identifier: MIT */
/*
 * Gathering: ballooning leaves a GB of the machine nearly all in hand, with a few leaves of the
 * guest's in the way. They are moved to other frames, one at a time, until the GB is one block
 * again; or until it holds just what one slot of the guest's has, and the rest of that slot can be
 * populated from it, so that it becomes one leaf. Refuses to know which GB is worth it
 * (gather_plan.c), and how memory is copied.
 *
 *      machine GB   [ in hand | slot 4's | in hand | slot 2's | in hand ]
 *      afterwards   [          in hand, or slot 2's, at its place       ]
 */
#include "gather_place.h"

#include "cache_node.h"
#include "grant.h"
#include "set.h"

gfn_t pod_gather_slot(const struct pod *pod)
{
    return pod->gather.slot;
}

/* Whole: there may be another one. */
static enum p2m_error gather_end(struct p2m_locked locked, struct pod *pod)
{
    pod_cache_set_aside(locked, pod, INVALID_MFN);
    pod->gather = (struct pod_gather){ .block = INVALID_MFN, .slot = NOWHERE };
    return P2M_EMPTY;
}

/* Not to be had now: tried again when something has changed. */
static enum p2m_error gather_fail(struct p2m_locked locked, struct pod *pod)
{
    pod->gather_looked = gather_changes(pod);
    return gather_end(locked, pod);
}

static bool is_in_hand(const struct pod_cache *cache, mfn_t mfn)
{
    const struct cache_node *node = node_find(cache, mfn, ORDER_1G);

    return node && bit_is_set(node->cached, node_index(ORDER_1G, mfn.mfn));
}

/* Below 2 MB it can't be one leaf, and there might be much to look at. */
static bool slot_is_of_2m(const struct pod *pod)
{
    struct slot slot;

    if (pod->gather.slot.gfn == NOWHERE.gfn)
        return true;
    slot = table_find(pod->p2m, pod->gather.slot, 1);
    return slot.level == 1 &&
           p2m_host_table_info(pod->p2m, slot_table(pod->p2m, slot))->tables == 0;
}

/* Of the slot, not at its place, and the place is free: it goes there, and makes room elsewhere. */
static bool next_of_slot(const struct pod *pod, struct pod_place *place)
{
    const struct pod_gather *gather = &pod->gather;

    if (gather->slot.gfn == NOWHERE.gfn)
        return false;
    for_each_p2m_entry (w, pod->p2m, gather->slot, gfn_add(gather->slot, order_frames(ORDER_1G))) {
        mfn_t own = mfn_add(gather->block, w.gfn.gfn - gather->slot.gfn);

        if (walk_kind(&w) != ENTRY_LEAF || leaf_is_in_place(&w, gather) ||
            !is_in_hand(&pod->cache, own))
            continue;
        *place = (struct pod_place){ w.gfn, own };
        return true;
    }
    return false;
}

/* Past this entry; round the map, at its end. */
static void cursor_step(struct pod_gather *gather, const struct walk *walk, gfn_t end)
{
    gfn_t next = gfn_add(walk->gfn, order_frames(level_order(walk->level)));

    gather->looked += next.gfn - gather->cursor.gfn;
    gather->cursor = next.gfn < end.gfn ? next : GFN(0);
}

/* In the way: the next such leaf. P2M_EMPTY when there is none, all round the map. */
static enum p2m_error next_in_the_way(struct pod *pod, struct pod_place *place)
{
    struct pod_gather *gather = &pod->gather;
    uint64_t steps = pod->p2m->config.steps;
    gfn_t end = pod->p2m->config.end;

    while (gather->looked < end.gfn)
        for_each_p2m_entry (w, pod->p2m, gather->cursor, end) {
            if (steps-- == 0)
                return P2M_AGAIN;
            cursor_step(gather, &w, end);
            if (!leaf_is_in(&w, gather->block) || leaf_is_in_place(&w, gather))
                continue;
            gather->looked = 0;
            *place = (struct pod_place){ w.gfn, INVALID_MFN };
            return P2M_OK;
        }
    gather->looked = 0;
    return P2M_EMPTY;
}

/* Is there anything for a leaf of this order, but what is aside, and GBs that are whole already? */
static bool has_room(const struct pod *pod, gfn_t gfn)
{
    struct p2m_entry leaf = p2m_get_entry((struct p2m_walking){ pod->p2m }, gfn);

    for (unsigned size = order_size(leaf.order); size < order_size(ORDER_1G); size++)
        for (unsigned clean = 0; clean < POD_CLEAN_STATES; clean++)
            if (pod->cache.stock[POD_OPEN][size][clean])
                return true;
    return false;
}

/* One mark of the slot becomes RAM at its place in the block. */
static void populate_piece(struct p2m_locked locked, struct pod *pod, gfn_t gfn, mfn_t mfn)
{
    struct pod_block block = pod_cache_take_at(locked, pod, mfn, ORDER_2M);
    struct pod_grant grant;

    ASSERT(mfn_is_valid(block.mfn));
    grant_start(pod, &grant, gfn, mfn, ORDER_2M);
    set_over_mark(locked.p2m, table_find(locked.p2m, gfn, 1), gfn, mfn);
    grant_end(pod, &grant);
}

/* P2M_OK: the slot is leaves of one type at their places, and marks of 2 MB whose places are in
 * hand, clean, and that may be populated. The guest may have made something else of it since it was
 * chosen. */
static enum p2m_error check_slot(const struct pod *pod)
{
    const struct pod_gather *gather = &pod->gather;
    const struct cache_node *node = node_find(&pod->cache, gather->block, ORDER_1G);
    enum p2m_error missing = pod->granted > 0 ? P2M_BUSY : P2M_EMPTY;

    for_each_p2m_entry (w, pod->p2m, gather->slot, gfn_add(gather->slot, order_frames(ORDER_1G))) {
        unsigned index = node_index(ORDER_1G, w.gfn.gfn);

        if (walk_kind(&w) == ENTRY_LEAF && leaf_is_in_place(&w, gather) && w.level == 1 &&
            entry_type(w.entry) == P2M_RAM_RW)
            continue;
        if (entry_type(w.entry) != P2M_POD || w.level != 1)
            return P2M_EMPTY;
        if (!node || !bit_is_set(node->cached, index))
            return missing;
    }
    if (node && node->clean_count < node->count)
        return P2M_BUSY;
    return is_settled(pod) ? P2M_OK : P2M_BUSY;
}

/* All that the slot has is at its place: the rest is populated, and it is one leaf. */
static enum p2m_error complete_slot(struct p2m_locked locked, struct pod *pod,
                                    struct p2m_debt *debt)
{
    const struct pod_gather *gather = &pod->gather;
    uint64_t entries = pod_account(pod).entries;

    for_each_p2m_entry (w, pod->p2m, gather->slot, gfn_add(gather->slot, order_frames(ORDER_1G)))
        if (walk_kind(&w) == ENTRY_MARK)
            populate_piece(locked, pod, w.gfn,
                           mfn_add(gather->block, w.gfn.gfn - gather->slot.gfn));
    if (pod_account(pod).entries < entries)
        pod->events.populates[order_size(ORDER_1G)]++;
    return p2m_merge(locked, gather->slot, ORDER_1G, debt);
}

/* A part of it may be out of hand to be cleared, or with the host for good. */
static enum p2m_error check_block(const struct pod *pod)
{
    const struct cache_node *node = node_find(&pod->cache, pod->gather.block, ORDER_1G);

    if (node && node_is_full(node))
        return P2M_OK;
    return pod->granted > 0 ? P2M_BUSY : P2M_EMPTY;
}

/* Nothing is in the way any more. */
static enum p2m_error finish(struct p2m_locked locked, struct pod *pod, struct p2m_debt *debt)
{
    bool is_for_slot = pod->gather.slot.gfn != NOWHERE.gfn;
    enum p2m_error error = is_for_slot ? check_slot(pod) : check_block(pod);

    if (error == P2M_BUSY)
        return error;
    if (error == P2M_OK && is_for_slot)
        error = complete_slot(locked, pod, debt);
    if (error != P2M_OK)
        return gather_fail(locked, pod);
    pod->events.gathered++;
    return gather_end(locked, pod);
}

/* What moves next, and to where. */
static enum p2m_error next_move(struct pod *pod, struct pod_move *move, struct pod_place *place)
{
    move->where = POD_AT;
    if (next_of_slot(pod, place))
        return P2M_OK;
    move->where = POD_ANYWHERE;
    return next_in_the_way(pod, place);
}

enum p2m_error pod_gather_next(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                               struct p2m_debt *debt)
{
    struct pod_place place;
    enum p2m_error error;

    ASSERT(mfn_is_valid(pod->gather.block));
    if (locked.p2m->holds > 0 || p2m_is_changing(locked.p2m))
        return P2M_BUSY;
    /* The cache went dry and took it back; or the slot is in 4 KB pieces by now. */
    if (!pod_cache_is_aside(pod, pod->gather.block) || !slot_is_of_2m(pod))
        return gather_fail(locked, pod);
    error = next_move(pod, move, &place);
    if (error == P2M_EMPTY)
        return finish(locked, pod, debt);
    if (error != P2M_OK)
        return error;
    if ((move->where == POD_ANYWHERE && !has_room(pod, place.gfn)) ||
        pod_move_begin(locked, pod, move, &place, debt) != P2M_OK)
        return gather_fail(locked, pod);
    return P2M_OK;
}
