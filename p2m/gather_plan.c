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
static void tally_leaf(struct pod_tally *tally, const struct walk *walk,
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

    return (uint64_t)p2m_host_table_info(pod->p2m, slot_table(pod->p2m, slot))->ram << ORDER_2M;
}

/* The host itself may have frames in the block. */
static bool is_within_reach(const struct pod *pod, const struct pod_gather *gather)
{
    uint64_t least = order_frames(ORDER_1G) - frames_in_hand(&pod->cache, gather->block);

    return least <= limit(pod) + (gather->slot.gfn == NOWHERE.gfn ? 0 : slot_frames(pod, gather));
}

/* How many frames must be copied for it; UINT64_MAX: it can't be had. What is moved must find room
 * elsewhere, which a whole GB is not. */
static uint64_t gather_cost(const struct pod *pod, const struct pod_tally *tally)
{
    const struct pod_cache_counts *counts = &pod->cache.counts;
    uint64_t whole = counts->blocks[order_size(ORDER_1G)] << ORDER_1G;
    uint64_t room = counts->frames - whole + tally->outside;

    if (tally->in_hand + tally->in_place + tally->astray + tally->in_the_way !=
            order_frames(ORDER_1G) ||
        room < tally->in_hand + tally->in_the_way)
        return UINT64_MAX;
    return tally->in_the_way + tally->astray + tally->outside;
}

/* ---- candidates ----------------------------------------------------------------------------- */

#define LOOKS_MOST 4096u

/* The partial GB with the most whole 2 MB in hand, of so many. */
static mfn_t fullest_block(const struct pod_cache *cache)
{
    const struct cache_node *best = NULL;
    unsigned looks = 0;

    for (unsigned clean = 0; clean < POD_CLEAN_STATES; clean++)
        for (struct pod_link *link = cache->stock[POD_OPEN][order_size(ORDER_2M)][clean];
             link && looks < LOOKS_MOST; link = link->next, looks++) {
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
    info = p2m_host_table_info(p2m, slot_table(p2m, slot));
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

/* Candidate 0 is the fullest block for no slot at all; then, for each slot, the block that it has
 * leaves in, and the fullest. A slot of which nothing is populated yet takes any 1 GB block; one
 * that is partly populated is completed when all that was promised can be had. */
static struct pod_gather candidate(const struct pod *pod, uint64_t number, mfn_t fullest)
{
    const unsigned size = order_size(ORDER_1G);
    bool is_own = number % 2 == 1;
    struct pod_gather gather = { .block = INVALID_MFN, .slot = NOWHERE };
    mfn_t own = INVALID_MFN;

    if (number == 0) {
        if (pod->p2m->counts.markers[size] > pod->cache.counts.blocks[size])
            gather.block = fullest;
        return gather;
    }
    gather.slot = GFN((number - 1) / 2 << ORDER_1G);
    if (could_be_one_leaf(pod->p2m, gather.slot, &own))
        gather.block = is_own ? own : fullest;
    return gather;
}

static bool is_last_candidate(const struct pod *pod, uint64_t number)
{
    struct pod_account account = pod_account(pod);
    uint64_t next_slot = number / 2 << ORDER_1G;

    return number > 0 && (pod_in_debt(&account) || next_slot >= pod->p2m->config.end.gfn);
}

/* ---- choosing ------------------------------------------------------------------------------- */

static void begin(struct pod *pod)
{
    pod->choice = (struct pod_choice){
        .is_begun = true,
        .changes = gather_changes(pod),
        .fullest = fullest_block(&pod->cache),
        .candidate.block = INVALID_MFN,
        .best = { .block = INVALID_MFN, .slot = NOWHERE },
        .cost = UINT64_MAX,
    };
}

/* The next candidate is the one to tally, if it is worth a walk through all of the map. */
static void take_next(struct pod *pod)
{
    struct pod_choice *choice = &pod->choice;
    struct pod_gather next = candidate(pod, choice->next++, choice->fullest);

    if (!mfn_is_valid(next.block) || !is_within_reach(pod, &next))
        return;
    choice->candidate = next;
    choice->tally = (struct pod_tally){ .in_hand = frames_in_hand(&pod->cache, next.block) };
}

/* The walk, as far as the steps go; the cursor says where it goes on. */
static bool tally_all(struct pod *pod, uint64_t *steps)
{
    struct pod_gather *gather = &pod->choice.candidate;

    for_each_p2m_entry (w, pod->p2m, gather->cursor, pod->p2m->config.end) {
        gather->cursor = w.gfn;
        if (*steps == 0)
            return false;
        --*steps;
        tally_leaf(&pod->choice.tally, &w, gather);
    }
    return true;
}

static void judge(struct pod *pod)
{
    struct pod_choice *choice = &pod->choice;
    uint64_t cost = gather_cost(pod, &choice->tally);

    if (cost <= limit(pod) && cost < choice->cost) {
        choice->best = choice->candidate;
        choice->best.cursor = GFN(0);
        choice->cost = cost;
    }
    choice->candidate.block = INVALID_MFN;
}

/* To look for a candidate costs as much as to walk through a table. */
static bool choose(struct pod *pod)
{
    struct pod_choice *choice = &pod->choice;
    uint64_t steps = pod->p2m->config.steps;

    if (!choice->is_begun)
        begin(pod);
    while (steps > 0) {
        if (!mfn_is_valid(choice->candidate.block)) {
            if (is_last_candidate(pod, choice->next))
                return true;
            take_next(pod);
            steps -= steps < TABLE_ENTRIES ? steps : TABLE_ENTRIES;
        } else if (tally_all(pod, &steps)) {
            judge(pod);
        }
    }
    return false;
}

/* Found just as it was the last time: what is in the way does not go away by itself. */
static bool is_steady(struct pod *pod)
{
    const struct pod_choice *choice = &pod->choice;
    bool is_same = choice->best.block.mfn == pod->gather_seen.block.mfn &&
                   choice->best.slot.gfn == pod->gather_seen.slot.gfn &&
                   choice->cost == pod->gather_cost;

    pod->gather_seen = choice->best;
    pod->gather_cost = choice->cost;
    return is_same && mfn_is_valid(choice->best.block);
}

enum p2m_error pod_gather_start(struct p2m_locked locked, struct pod *pod)
{
    struct pod_choice *choice = &pod->choice;

    ASSERT(locked.p2m == pod->p2m);
    if (mfn_is_valid(pod->gather.block))
        return P2M_OK;
    if (p2m_is_changing(pod->p2m) || pod->max_order < ORDER_1G ||
        p2m_max_order(pod->p2m) < ORDER_1G || pod->gather_looked == gather_changes(pod))
        return P2M_EMPTY;
    if (!choose(pod))
        return P2M_AGAIN;
    choice->is_begun = false;
    if (!mfn_is_valid(choice->best.block))
        pod->gather_looked = choice->changes;
    if (!is_steady(pod))
        return P2M_EMPTY;
    pod->gather = choice->best;
    pod_cache_set_aside(locked, pod, choice->best.block);
    return P2M_OK;
}
