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
    uint64_t in_hand; /* of the block */
    uint64_t mapped;  /* of the block, by this guest */
    uint64_t slot;    /* populated, of the slot */
    uint64_t in_place;
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

static struct tally take_tally(const struct pod *pod, const struct pod_gather *gather)
{
    const struct p2m *p2m = pod->p2m;
    struct tally tally = { .in_hand = frames_in_hand(&pod->cache, gather->block) };

    for_each_p2m_entry (w, p2m, GFN(0), p2m->config.end) {
        uint64_t frames = order_frames(level_order(w.level));

        if (walk_kind(&w) != ENTRY_LEAF)
            continue;
        if (leaf_is_in(&w, gather->block))
            tally.mapped += frames;
        if (frame_align_down(w.gfn.gfn, ORDER_1G) == gather->slot.gfn)
            tally.slot += frames;
        if (leaf_is_in_place(&w, gather))
            tally.in_place += frames;
    }
    return tally;
}

/* How many frames must be copied for it; UINT64_MAX: it can't be had. The host itself may have
 * frames in the block; and what is moved must find room elsewhere. */
static uint64_t gather_cost(const struct pod *pod, const struct pod_gather *gather)
{
    struct tally tally = take_tally(pod, gather);
    uint64_t in_the_way = tally.mapped - tally.in_place, elsewhere = tally.slot - tally.in_place;
    uint64_t whole = pod->cache.counts.blocks[order_size(ORDER_1G)] << ORDER_1G;
    uint64_t room = pod->cache.counts.frames - whole - tally.in_hand + elsewhere;

    if (tally.in_hand + tally.mapped != order_frames(ORDER_1G) || room < in_the_way)
        return UINT64_MAX;
    return in_the_way + elsewhere;
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

/* Whole, or not to be had now: what was found then counts no more when enough has changed. */
static void gather_end(struct p2m_locked locked, struct pod *pod)
{
    pod->gather_looked = changes(pod);
    pod_cache_set_aside(locked, pod, INVALID_MFN);
    pod->gather = (struct pod_gather){ INVALID_MFN, NOWHERE, GFN(0) };
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

/* One mark of the slot becomes RAM at its place in the block. */
static bool populate_piece(struct p2m_locked locked, struct pod *pod, gfn_t gfn, mfn_t mfn)
{
    struct p2m_mapping mapping = { mfn, ORDER_2M, P2M_RAM_RW };
    struct pod_block block = pod_cache_take_at(locked, pod, mfn, ORDER_2M);
    struct p2m_debt none = P2M_NO_DEBT;
    struct pod_grant grant;

    if (!mfn_is_valid(block.mfn))
        return false;
    grant_start(pod, &grant, gfn, mfn, ORDER_2M);
    if (block.clean == POD_DIRTY || p2m_set_entry(locked, gfn, mapping, &none) != P2M_OK) {
        grant_put_back(locked, pod, &grant, block.clean);
        return false;
    }
    grant_end(pod, &grant);
    return true;
}

/* All that the slot has is at its place: the rest is populated, and it is one leaf. */
static enum p2m_error complete_slot(struct p2m_locked locked, struct pod *pod,
                                    struct p2m_debt *debt)
{
    const struct pod_gather *gather = &pod->gather;

    for_each_p2m_entry (w, pod->p2m, gather->slot, gfn_add(gather->slot, order_frames(ORDER_1G))) {
        mfn_t mfn = mfn_add(gather->block, w.gfn.gfn - gather->slot.gfn);

        if (walk_kind(&w) == ENTRY_MARK && !populate_piece(locked, pod, w.gfn, mfn))
            return P2M_AGAIN;
    }
    pod->events.populates[order_size(ORDER_1G)]++;
    return p2m_merge(locked, gather->slot, ORDER_1G, debt);
}

/* Nothing is in the way any more. */
static enum p2m_error finish(struct p2m_locked locked, struct pod *pod, struct p2m_debt *debt)
{
    const struct cache_node *node = node_find(&pod->cache, pod->gather.block, ORDER_1G);
    enum p2m_error error = P2M_OK;

    if (pod->gather.slot.gfn != NOWHERE.gfn) {
        if (node && node->clean_count < node->count)
            return P2M_AGAIN; /* what is dirty is cleared first */
        error = complete_slot(locked, pod, debt);
    }
    if (error == P2M_OK)
        pod->events.gathered++;
    gather_end(locked, pod);
    return P2M_EMPTY;
}

enum p2m_error pod_gather_next(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                               struct p2m_debt *debt)
{
    struct pod_place place;
    enum p2m_error error;

    ASSERT(mfn_is_valid(pod->gather.block));
    if (!pod_cache_is_aside(pod, pod->gather.block)) { /* the cache went dry and took it back */
        gather_end(locked, pod);
        return P2M_EMPTY;
    }
    if (next_of_slot(pod, &place))
        move->where = POD_AT;
    else if (next_in_the_way(pod, &place))
        move->where = POD_ANYWHERE;
    else
        return finish(locked, pod, debt);
    error = pod_move_begin(locked, pod, move, &place, debt);
    if (error == P2M_OK)
        return P2M_OK;
    gather_end(locked, pod);
    return P2M_EMPTY;
}
