/* SPDX-License-Identifier: MIT */
/*
 * Gathering: ballooning leaves a GB of the machine nearly all in hand, with a few leaves of the
 * guest's in the way. They are moved to other frames, one at a time, until the GB is one block
 * again; or until it holds just what one slot of the guest's has, and the rest of that slot can be
 * populated from it, so that it becomes one leaf. Refuses to know how memory is copied.
 *
 *      machine GB   [ in hand | slot 4's | in hand | slot 2's | in hand ]
 *      afterwards   [          in hand, or slot 2's, at its place       ]
 */
#include "cache_node.h"
#include "grant.h"
#include "policy.h"
#include "walk.h"

#define NOWHERE GFN(UINT64_MAX)

/* ---- what lies in a GB of the machine ------------------------------------------------------- */

static bool leaf_is_in(const struct walk *walk, mfn_t block)
{
    return walk_kind(walk) == ENTRY_LEAF &&
           frame_align_down(entry_mfn(walk->entry).mfn, ORDER_1G) == block.mfn;
}

/* Of the slot, and where it would be if the slot were one leaf of this block. */
static bool leaf_is_in_place(const struct walk *walk, const struct pod_gather *gather)
{
    return frame_align_down(walk->gfn.gfn, ORDER_1G) == gather->slot.gfn &&
           entry_mfn(walk->entry).mfn - gather->block.mfn == walk->gfn.gfn - gather->slot.gfn;
}

/* All in 4K frames. */
struct tally {
    uint64_t in_hand;    /* of the block */
    uint64_t in_place;   /* of the slot, at its place in the block */
    uint64_t astray;     /* of the slot, in the block, but not at its place */
    uint64_t outside;    /* of the slot, in another block */
    uint64_t in_the_way; /* in the block, of other slots */
};

static uint64_t frames_in_hand(const struct pod_cache *cache, mfn_t block)
{
    const struct cache_node *node = node_find(cache, block, ORDER_1G);
    uint64_t frames = 0;

    for (unsigned index = 0; index < NODE_PIECES; index++) {
        mfn_t piece = mfn_add(block, (uint64_t)index << ORDER_2M);
        const struct cache_node *part;

        if (node && bit_is_set(node->cached, index)) {
            frames += order_frames(ORDER_2M);
            continue;
        }
        part = node_find(cache, piece, ORDER_2M);
        frames += part ? part->count : 0;
    }
    return frames;
}

/* What can't be moved counts for nothing, so that the block is found not to be all the guest's. */
static void tally_leaf(struct tally *tally, const struct walk *walk,
                       const struct pod_gather *gather)
{
    bool is_in = leaf_is_in(walk, gather->block);
    bool is_slots = frame_align_down(walk->gfn.gfn, ORDER_1G) == gather->slot.gfn;
    uint64_t frames = order_frames(level_order(walk->level));

    if (walk_kind(walk) != ENTRY_LEAF || entry_type(walk->entry) != P2M_RAM_RW)
        return;
    if (is_slots && leaf_is_in_place(walk, gather))
        tally->in_place += frames;
    else if (is_slots)
        *(is_in ? &tally->astray : &tally->outside) += frames;
    else if (is_in)
        tally->in_the_way += frames;
}

/* How many frames must be copied for it; UINT64_MAX: it can't be had. The host itself may have
 * frames in the block; and what is moved must find room elsewhere, which a whole GB is not. */
static uint64_t gather_cost(const struct pod *pod, const struct pod_gather *gather)
{
    const struct pod_cache_counts *counts = &pod->cache.counts;
    struct tally tally = { .in_hand = frames_in_hand(&pod->cache, gather->block) };
    uint64_t whole = counts->blocks[order_size(ORDER_1G)] << ORDER_1G, room;

    for_each_p2m_entry (w, pod->p2m, GFN(0), pod->p2m->config.end)
        tally_leaf(&tally, &w, gather);
    room = counts->frames - whole - tally.in_hand + tally.outside;
    if (tally.in_hand + tally.in_place + tally.astray + tally.in_the_way !=
            order_frames(ORDER_1G) ||
        room < tally.in_the_way)
        return UINT64_MAX;
    return tally.in_the_way + tally.astray + tally.outside;
}

/* ---- choosing ------------------------------------------------------------------------------- */

/* The partial GB with the most whole 2 MB in hand. */
static mfn_t fullest_block(const struct pod_cache *cache)
{
    const struct cache_node *best = NULL;

    for (unsigned clean = 0; clean < POD_CLEAN_STATES; clean++)
        for (struct pod_link *link = cache->stock[POD_OPEN][order_size(ORDER_2M)][clean]; link;
             link = link->next) {
            const struct cache_node *node = LINK_OWNER(link, struct cache_node, stock);

            if (!best || node->count > best->count)
                best = node;
        }
    return best ? best->mfn : INVALID_MFN;
}

/* Leaves and marks of 2 MB and nothing else: it could be one leaf. */
static bool could_be_one_leaf(const struct p2m *p2m, gfn_t gfn, mfn_t *block)
{
    struct slot slot = table_find(p2m, gfn, 1);
    const struct p2m_table_info *info;

    if (slot.level != 1)
        return false;
    info = p2m_host_table_info(p2m, slot.table);
    if (info->ram == 0 || info->ram + info->markers != TABLE_ENTRIES ||
        info->joined == TABLE_ENTRIES - 1)
        return false;
    for_each_p2m_entry (w, p2m, gfn, gfn_add(gfn, order_frames(ORDER_1G)))
        if (walk_kind(&w) == ENTRY_LEAF) {
            *block = MFN(frame_align_down(entry_mfn(w.entry).mfn, ORDER_1G));
            break;
        }
    return true;
}

static uint64_t limit(const struct pod *pod)
{
    struct pod_account account = pod_account(pod);

    return pod_in_debt(&account) ? POLICY_GATHER_IN_DEBT : POLICY_GATHER_FRAMES;
}

struct choice {
    struct pod_gather gather;
    uint64_t cost;
};

static void consider(const struct pod *pod, mfn_t block, gfn_t slot, struct choice *best)
{
    struct pod_gather gather = { .block = block, .slot = slot };
    uint64_t cost;

    if (!mfn_is_valid(block))
        return;
    cost = gather_cost(pod, &gather);
    if (cost <= limit(pod) && cost < best->cost)
        *best = (struct choice){ gather, cost };
}

/* A slot of which nothing is populated yet takes any 1 GB block; one that is partly populated is
 * completed when all that was promised can be had. */
static struct choice choose(const struct pod *pod)
{
    const struct p2m *p2m = pod->p2m;
    struct choice best = { { INVALID_MFN, NOWHERE, GFN(0) }, UINT64_MAX };
    struct pod_account account = pod_account(pod);
    mfn_t fullest = fullest_block(&pod->cache);
    const unsigned size = order_size(ORDER_1G);

    if (p2m->counts.markers[size] > pod->cache.counts.blocks[size])
        consider(pod, fullest, NOWHERE, &best);
    if (pod_in_debt(&account))
        return best;
    for (uint64_t gfn = 0; gfn < p2m->config.end.gfn; gfn += order_frames(ORDER_1G)) {
        mfn_t own = INVALID_MFN;

        if (!could_be_one_leaf(p2m, GFN(gfn), &own))
            continue;
        consider(pod, own, GFN(gfn), &best);
        consider(pod, fullest, GFN(gfn), &best);
    }
    return best;
}

/* Nothing has changed since it was found that there is nothing to gather. */
static uint64_t changes(const struct pod *pod)
{
    const struct pod_events *events = &pod->events;
    uint64_t sum = events->ballooned;

    for (unsigned size = 0; size < ORDER_SIZES; size++)
        sum += events->populates[size] + events->reclaimed[size];
    return sum;
}

gfn_t pod_gather_slot(const struct pod *pod)
{
    return pod->gather.slot;
}

/* Found just as it was the last time: what is in the way does not go away by itself. */
static bool is_steady(struct pod *pod, const struct choice *best)
{
    bool is_same = best->gather.block.mfn == pod->gather_seen.block.mfn &&
                   best->gather.slot.gfn == pod->gather_seen.slot.gfn &&
                   best->cost == pod->gather_cost;

    pod->gather_seen = best->gather;
    pod->gather_cost = best->cost;
    return is_same && mfn_is_valid(best->gather.block);
}

bool pod_gather_start(struct p2m_locked locked, struct pod *pod)
{
    struct choice best;

    ASSERT(locked.p2m == pod->p2m);
    if (mfn_is_valid(pod->gather.block))
        return true;
    if (pod->max_order < ORDER_1G || p2m_max_order(pod->p2m) < ORDER_1G ||
        pod->gather_looked == changes(pod))
        return false;
    best = choose(pod);
    if (!mfn_is_valid(best.gather.block))
        pod->gather_looked = changes(pod);
    if (!is_steady(pod, &best))
        return false;
    pod->gather = best.gather;
    pod_cache_set_aside(locked, pod, best.gather.block);
    return true;
}

/* ---- one step ------------------------------------------------------------------------------- */

/* Whole: there may be another one. */
static enum p2m_error gather_end(struct p2m_locked locked, struct pod *pod)
{
    pod_cache_set_aside(locked, pod, INVALID_MFN);
    pod->gather = (struct pod_gather){ INVALID_MFN, NOWHERE, GFN(0) };
    return P2M_EMPTY;
}

/* Not to be had now: tried again when something has changed. */
static enum p2m_error gather_fail(struct p2m_locked locked, struct pod *pod)
{
    pod->gather_looked = changes(pod);
    return gather_end(locked, pod);
}

static bool is_in_hand(const struct pod_cache *cache, mfn_t mfn)
{
    const struct cache_node *node = node_find(cache, mfn, ORDER_1G);

    return node && bit_is_set(node->cached, node_index(ORDER_1G, mfn.mfn));
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

/* In the way: the next such leaf, round the map once. */
static bool next_in_the_way(struct pod *pod, struct pod_place *place)
{
    struct pod_gather *gather = &pod->gather;
    gfn_t from = gather->cursor;

    for (unsigned round = 0; round < 2; round++) {
        for_each_p2m_entry (w, pod->p2m, from, pod->p2m->config.end) {
            if (!leaf_is_in(&w, gather->block) || leaf_is_in_place(&w, gather))
                continue;
            gather->cursor = w.gfn;
            *place = (struct pod_place){ w.gfn, INVALID_MFN };
            return true;
        }
        from = GFN(0);
    }
    return false;
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
    struct p2m_mapping mapping = { mfn, ORDER_2M, P2M_RAM_RW };
    struct pod_block block = pod_cache_take_at(locked, pod, mfn, ORDER_2M);
    struct p2m_debt none = P2M_NO_DEBT;
    struct pod_grant grant;

    ASSERT(mfn_is_valid(block.mfn));
    grant_start(pod, &grant, gfn, mfn, ORDER_2M);
    if (p2m_set_entry(locked, gfn, mapping, &none) != P2M_OK)
        ASSERT(false); /* a mark of just this size: nothing is missing, and nothing left over */
    grant_end(pod, &grant);
}

/* P2M_OK: the slot is leaves at their places, and marks of 2 MB whose places are in hand, clean,
 * and that may be populated. The guest may have made something else of it since it was chosen. */
static enum p2m_error check_slot(const struct pod *pod)
{
    const struct pod_gather *gather = &pod->gather;
    const struct cache_node *node = node_find(&pod->cache, gather->block, ORDER_1G);
    enum p2m_error missing = pod->granted > 0 ? P2M_AGAIN : P2M_EMPTY;

    for_each_p2m_entry (w, pod->p2m, gather->slot, gfn_add(gather->slot, order_frames(ORDER_1G))) {
        unsigned index = node_index(ORDER_1G, w.gfn.gfn);

        if (walk_kind(&w) == ENTRY_LEAF && leaf_is_in_place(&w, gather) && w.level == 1)
            continue;
        if (entry_type(w.entry) != P2M_POD || w.level != 1)
            return P2M_EMPTY;
        if (!node || !bit_is_set(node->cached, index))
            return missing;
    }
    if (node && node->clean_count < node->count)
        return P2M_AGAIN;
    return is_settled(pod) ? P2M_OK : P2M_AGAIN;
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
    return pod->granted > 0 ? P2M_AGAIN : P2M_EMPTY;
}

/* Nothing is in the way any more. */
static enum p2m_error finish(struct p2m_locked locked, struct pod *pod, struct p2m_debt *debt)
{
    bool is_for_slot = pod->gather.slot.gfn != NOWHERE.gfn;
    enum p2m_error error = is_for_slot ? check_slot(pod) : check_block(pod);

    if (error == P2M_AGAIN || pod->is_moving)
        return P2M_AGAIN;
    if (error == P2M_OK && is_for_slot)
        error = complete_slot(locked, pod, debt);
    if (error != P2M_OK)
        return gather_fail(locked, pod);
    pod->events.gathered++;
    return gather_end(locked, pod);
}

enum p2m_error pod_gather_next(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                               struct p2m_debt *debt)
{
    struct pod_place place;

    ASSERT(mfn_is_valid(pod->gather.block));
    if (!pod_cache_is_aside(pod, pod->gather.block)) /* the cache went dry and took it back */
        return gather_fail(locked, pod);
    if (next_of_slot(pod, &place))
        move->where = POD_AT;
    else if (next_in_the_way(pod, &place))
        move->where = POD_ANYWHERE;
    else
        return finish(locked, pod, debt);
    if ((move->where == POD_ANYWHERE && !has_room(pod, place.gfn)) ||
        pod_move_begin(locked, pod, move, &place, debt) != P2M_OK)
        return gather_fail(locked, pod);
    return P2M_OK;
}
