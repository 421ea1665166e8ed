/* SPDX-License-Identifier: MIT */
/*
 * Targets: which block comes into hand when one rises, and which goes when one falls. Refuses to
 * know where marks and frames are, how the host stores a block, and who sets a target, and why.
 */
#include "cache_node.h"

/* ---- which block goes ----------------------------------------------------------------------- */

/* Are there marks for all blocks of this size? */
static bool all_are_needed(const struct pod *pod, unsigned size)
{
    unsigned order = size * ORDER_STEP;

    if (order > pod->max_order || order > p2m_max_order(pod->p2m))
        return false;
    return p2m_counts(pod->p2m).markers[size] >= pod->cache.counts.blocks[size];
}

/* The size of the block that goes whole; ORDER_SIZES: all are larger than what is to go. */
static unsigned size_to_give(const struct pod *pod, uint64_t frames)
{
    const struct pod_cache_counts *counts = &pod->cache.counts;
    uint64_t smaller = counts->frames; /* in blocks smaller than this size */

    for (unsigned size = ORDER_SIZES; size-- > 0;) {
        uint64_t block = order_frames(size * ORDER_STEP);

        smaller -= counts->blocks[size] * block;
        if (counts->blocks[size] == 0 || block > frames)
            continue;
        if (smaller < frames || !all_are_needed(pod, size))
            return size;
    }
    return ORDER_SIZES;
}

/* The host clears what it gets: what is dirty is the smaller loss. */
static struct piece piece_to_give(const struct pod_cache *cache, unsigned size)
{
    struct cache_node *node = node_first(cache, size, POD_DIRTY);

    if (!node)
        node = node_first(cache, size, POD_CLEAN);
    return (struct piece){ node, node_first_piece(node, node_clean(node)) };
}

/* Out of the smallest block there is, all of which are larger; so no 4K frame is in hand. */
static struct piece broken_piece(struct pod_cache *cache, uint64_t frames)
{
    bool has_2m = cache->counts.blocks[order_size(ORDER_2M)] > 0;
    struct piece whole = piece_to_give(cache, order_size(has_2m ? ORDER_2M : ORDER_1G));

    if (frames >= order_frames(ORDER_2M))
        return whole;
    return (struct piece){ piece_break(cache, whole), 0 };
}

struct pod_block pod_cache_give_back(struct p2m_locked locked, struct pod *pod, uint64_t frames,
                                     unsigned *order)
{
    struct pod_block block = { INVALID_MFN, POD_DIRTY };
    struct pod_cache *cache = &pod->cache;
    struct piece piece;
    unsigned size;

    ASSERT(locked.p2m == pod->p2m);
    ASSERT(frames > 0);
    nodes_set_aside(cache, INVALID_MFN);
    if (cache->counts.frames == 0)
        return block;
    size = size_to_give(pod, frames);
    piece = size < ORDER_SIZES ? piece_to_give(cache, size) : broken_piece(cache, frames);
    if (size == order_size(ORDER_1G)) {
        *order = ORDER_1G;
        block = node_take(cache, piece.node);
    } else {
        *order = piece.node->order - ORDER_STEP;
        block = piece_take(cache, piece);
    }
    nodes_trim(locked, cache);
    return block;
}

/* ---- a step up, a step down ----------------------------------------------------------------- */

static enum p2m_error take_from_host(struct p2m_locked locked, struct pod *pod, uint64_t missing)
{
    enum p2m_error error = pod_cache_reserve(locked, pod, 1);

    if (error != P2M_OK)
        return error;
    for (unsigned size = ORDER_SIZES; size-- > 0;) {
        unsigned order = size * ORDER_STEP;
        mfn_t mfn = INVALID_MFN;

        if (order_frames(order) <= missing)
            mfn = p2m_host_alloc_frames(locked.p2m, order);
        if (!mfn_is_valid(mfn))
            continue;
        pod_cache_add(locked, pod, mfn, order, POD_DIRTY);
        pod->events.taken += order_frames(order);
        return P2M_OK;
    }
    return P2M_EMPTY;
}

static void give_to_host(struct p2m_locked locked, struct pod *pod, uint64_t surplus)
{
    unsigned order;
    struct pod_block block = pod_cache_give_back(locked, pod, surplus, &order);

    p2m_host_free_frames(locked.p2m, block.mfn, order);
}

/* ---- targets -------------------------------------------------------------------------------- */

/* More than the marks can still take is never in hand. */
static uint64_t cache_limit(const struct pod *pod)
{
    struct pod_account account = pod_account(pod);

    return account.entries > account.granted ? account.entries - account.granted : 0;
}

enum p2m_error pod_set_cache_target(struct p2m_locked locked, struct pod *pod, uint64_t frames)
{
    const uint64_t *cached = &pod->cache.counts.frames;
    uint64_t limit = cache_limit(pod);
    uint64_t target = frames < limit ? frames : limit;
    enum p2m_error error = P2M_OK;

    for (unsigned i = 0; i < POD_TARGET_STEPS && *cached != target && error == P2M_OK; i++) {
        if (*cached < target)
            error = take_from_host(locked, pod, target - *cached);
        else
            give_to_host(locked, pod, *cached - target);
    }
    pod_cache_unreserve(locked, pod);
    pod->is_trimming = pod->is_trimming && pod_has_surplus(pod);
    return error == P2M_OK && *cached != target ? P2M_AGAIN : error;
}

enum p2m_error pod_set_target(struct p2m_locked locked, struct pod *pod, uint64_t frames)
{
    struct pod_account account = pod_account(pod);
    uint64_t out = account.populated + account.granted + p2m_unpaid(pod->p2m).ram;

    if (account.entries == 0 || frames < out + account.cached)
        return P2M_OK;
    return pod_set_cache_target(locked, pod, frames - out);
}

bool pod_has_surplus(const struct pod *pod)
{
    return pod->cache.counts.frames > cache_limit(pod);
}

/* Down to so many frames in hand, or as far as the steps go. */
static void give_down_to(struct p2m_locked locked, struct pod *pod, uint64_t frames)
{
    const uint64_t *cached = &pod->cache.counts.frames;

    for (uint64_t steps = locked.p2m->config.steps; *cached > frames && steps > 0; steps--)
        give_to_host(locked, pod, *cached - frames);
}

void pod_trim(struct p2m_locked locked, struct pod *pod)
{
    give_down_to(locked, pod, cache_limit(pod));
    pod->is_trimming = pod_has_surplus(pod);
}

enum p2m_error pod_empty(struct p2m_locked locked, struct pod *pod)
{
    give_down_to(locked, pod, 0);
    pod_cache_unreserve(locked, pod);
    return pod->cache.counts.frames > 0 ? P2M_AGAIN : P2M_OK;
}
