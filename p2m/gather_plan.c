/* SPDX-License-Identifier: MIT */
/*
 * Which GB of the machine is worth gathering: what it would cost to make each whole, for a slot of
 * the guest's that is promised and untouched, or to complete one that is populated in pieces.
 * Refuses to know how it is done (gather.c), and changes nothing but what is chosen.
 */
#include "gather_place.h"

#include "cache_node.h"
#include "policy.h"

/* ---- what it would cost --------------------------------------------------------------------- */

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
        const struct cache_node *part = node_find(cache, piece, ORDER_2M);

        if (node && bit_is_set(node->cached, index))
            frames += order_frames(ORDER_2M);
        else if (part)
            frames += part->count;
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

static uint64_t limit(const struct pod *pod)
{
    struct pod_account account = pod_account(pod);

    return pod_in_debt(&account) ? POLICY_GATHER_IN_DEBT : POLICY_GATHER_FRAMES;
}

/* What is populated of the slot: leaves of 2 MB, or marks. */
static uint64_t slot_frames(const struct pod *pod, const struct pod_gather *gather)
{
    struct slot slot = table_find(pod->p2m, gather->slot, 1);

    return (uint64_t)p2m_host_table_info(pod->p2m, slot.table)->ram << ORDER_2M;
}

/* How many frames must be copied for it; UINT64_MAX: it can't be had. The host itself may have
 * frames in the block; and what is moved must find room elsewhere, which a whole GB is not. */
static uint64_t gather_cost(const struct pod *pod, const struct pod_gather *gather)
{
    const struct pod_cache_counts *counts = &pod->cache.counts;
    struct tally tally = { .in_hand = frames_in_hand(&pod->cache, gather->block) };
    uint64_t whole = counts->blocks[order_size(ORDER_1G)] << ORDER_1G, room;
    uint64_t least = order_frames(ORDER_1G) - tally.in_hand; /* the slot may have some of it */

    if (least > limit(pod) + (gather->slot.gfn == NOWHERE.gfn ? 0 : slot_frames(pod, gather)))
        return UINT64_MAX; /* without a walk through all of the map */
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
    if (p2m_is_changing(pod->p2m) || pod->max_order < ORDER_1G ||
        p2m_max_order(pod->p2m) < ORDER_1G || pod->gather_looked == gather_changes(pod))
        return false;
    best = choose(pod);
    if (!mfn_is_valid(best.gather.block))
        pod->gather_looked = gather_changes(pod);
    if (!is_steady(pod, &best))
        return false;
    pod->gather = best.gather;
    pod_cache_set_aside(locked, pod, best.gather.block);
    return true;
}
