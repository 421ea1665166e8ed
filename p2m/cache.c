/* SPDX-License-Identifier: MIT */
/*
 * PoD's frames in hand: growing together, breaking, and which block is taken. Every step costs the
 * same however many frames there are. Refuses to know how nodes are stored (cache_node.c), what a
 * frame is for, and how it is cleared.
 */
#include "cache_node.h"

struct pod_cache_counts pod_cache_counts(const struct pod *pod)
{
    return pod->cache.counts;
}

/* ---- coming into hand ----------------------------------------------------------------------- */

/* One node for each addition, and one that stays free for a break. */
enum p2m_error pod_cache_reserve(struct p2m_locked locked, struct pod *pod, uint64_t adds)
{
    ASSERT(locked.p2m == pod->p2m);
    return nodes_reserve(locked, &pod->cache, adds < UINT64_MAX ? adds + 1 : adds);
}

void pod_cache_unreserve(struct p2m_locked locked, struct pod *pod)
{
    ASSERT(locked.p2m == pod->p2m);
    nodes_trim(locked, &pod->cache);
}

static struct piece find_piece(const struct pod_cache *cache, mfn_t mfn, unsigned order)
{
    struct cache_node *node = node_find(cache, mfn, order + ORDER_STEP);
    unsigned index = node_index(order + ORDER_STEP, mfn.mfn);

    return node && bit_is_set(node->cached, index) ? (struct piece){ node, index } : NO_PIECE;
}

/* The node that the block is now a piece of. */
static struct cache_node *add_piece(struct pod_cache *cache, mfn_t mfn, unsigned order,
                                    enum pod_clean clean)
{
    unsigned above = order + ORDER_STEP;
    struct cache_node *node = node_find(cache, mfn, above);

    if (!node)
        node = node_make(cache, mfn, above);
    node_add_piece(cache, node, node_index(above, mfn.mfn), clean);
    return node;
}

static void add_4k(struct pod_cache *cache, mfn_t mfn, enum pod_clean clean)
{
    struct cache_node *node;

    ASSERT(!find_piece(cache, mfn, ORDER_2M).node); /* in hand already, within 2 MB */
    node = add_piece(cache, mfn, ORDER_4K, clean);
    if (!node_is_full(node))
        return;
    mfn = node->mfn;
    clean = node_clean(node);
    node_empty(cache, node);
    add_piece(cache, mfn, ORDER_2M, clean);
}

void pod_cache_add(struct p2m_locked locked, struct pod *pod, mfn_t mfn, unsigned order,
                   enum pod_clean clean)
{
    struct pod_cache *cache = &pod->cache;

    ASSERT(locked.p2m == pod->p2m);
    ASSERT(order_is_size(order));
    ASSERT(frame_is_aligned(mfn.mfn, order));
    ASSERT(mfn.mfn < pod->p2m->config.mfn_end.mfn);
    ASSERT(order_frames(order) <= pod->p2m->config.mfn_end.mfn - mfn.mfn);
    if (order == ORDER_4K) {
        add_4k(cache, mfn, clean);
    } else {
        ASSERT(!node_find(cache, mfn, order)); /* a part of it is in hand already */
        if (order == ORDER_2M)
            add_piece(cache, mfn, order, clean);
        else
            node_fill(cache, node_make(cache, mfn, order), clean);
    }
    ASSERT(nodes_free(cache) > 0); /* else nothing was reserved */
}

/* ---- choosing ------------------------------------------------------------------------------- */

/* The block at `near`, unless it is part of a 1 GB block. */
static struct piece near_piece(const struct pod_cache *cache, mfn_t near, unsigned order)
{
    struct piece piece = NO_PIECE;

    if (mfn_is_valid(near))
        piece = find_piece(cache, near, order);
    if (!piece.node || node_is_full(piece.node) || node_shelf(cache, piece.node) == POD_ASIDE)
        return NO_PIECE;
    return piece;
}

/* What a node has to offer to whoever wants the piece at this index: the higher the better. */
enum offer { OFFER_NONE, OFFER_DIRTY, OFFER_CLEAN, OFFER_DIRTY_THERE, OFFER_CLEAN_THERE };

static enum offer node_offer(const struct cache_node *node, unsigned index)
{
    if (bit_is_set(node->cached, index))
        return bit_is_set(node->clean, index) ? OFFER_CLEAN_THERE : OFFER_DIRTY_THERE;
    return node->clean_count ? OFFER_CLEAN : OFFER_DIRTY;
}

/* The best offer of the first few nodes with blocks of this size. Of two that are alike, that of
 * the node that is not clean anyway: so clean blocks stay whole. */
static struct piece stock_piece(const struct pod_cache *cache, unsigned size, unsigned index)
{
    enum offer best = OFFER_NONE;
    struct cache_node *from = NULL;

    for (unsigned clean = 0; clean < POD_CLEAN_STATES; clean++) {
        struct pod_link *link = cache->stock[POD_OPEN][size][clean];

        for (unsigned i = 0; link && i < POD_CACHE_LOOKS; i++, link = link->next) {
            struct cache_node *node = LINK_OWNER(link, struct cache_node, stock);
            enum offer offer = node_offer(node, index);

            if (offer == OFFER_CLEAN_THERE)
                return (struct piece){ node, index };
            if (offer > best) {
                best = offer;
                from = node;
            }
        }
    }
    if (best == OFFER_DIRTY || best == OFFER_CLEAN)
        index = node_first_piece(from, best == OFFER_CLEAN ? POD_CLEAN : POD_DIRTY);
    return from ? (struct piece){ from, index } : NO_PIECE;
}

static bool is_within(const struct cache_node *node, mfn_t near)
{
    return mfn_is_valid(near) && frame_align_down(near.mfn, node->order) == node->mfn.mfn;
}

/* The 1 GB block around `near`, or NULL. */
static struct cache_node *near_1g(const struct pod_cache *cache, mfn_t near)
{
    struct cache_node *node = mfn_is_valid(near) ? node_find(cache, near, ORDER_1G) : NULL;

    if (!node || !node_is_full(node) || node_shelf(cache, node) == POD_ASIDE)
        return NULL;
    return node;
}

/* Of a 1 GB block: that at `near` if it is part of one. */
static struct piece whole_piece(const struct pod_cache *cache, struct pod_place place)
{
    struct cache_node *node = near_1g(cache, place.near);

    if (node)
        return (struct piece){ node, node_index(ORDER_1G, place.near.mfn) };
    return stock_piece(cache, order_size(ORDER_1G), node_index(ORDER_1G, place.gfn.gfn));
}

/* Of the blocks that are clean, or of the others: that at `near` if it is one of them. What was set
 * aside to become whole is not, once it is. */
static struct cache_node *choose_1g_that_is(const struct pod_cache *cache, mfn_t near,
                                            enum pod_clean clean)
{
    struct cache_node *node = near_1g(cache, near);

    struct pod_link *aside = cache->stock[POD_ASIDE][order_size(ORDER_1G)][clean];

    if (node && node_clean(node) == clean)
        return node;
    node = node_first(cache, order_size(ORDER_1G), clean);
    return node || !aside ? node : LINK_OWNER(aside, struct cache_node, stock);
}

static struct cache_node *choose_1g(const struct pod_cache *cache, mfn_t near)
{
    struct cache_node *node = choose_1g_that_is(cache, near, POD_CLEAN);

    return node ? node : choose_1g_that_is(cache, near, POD_DIRTY);
}

static struct piece choose_2m(const struct pod_cache *cache, struct pod_place place)
{
    struct piece piece = near_piece(cache, place.near, ORDER_2M);

    if (!piece.node)
        piece = stock_piece(cache, order_size(ORDER_2M), node_index(ORDER_1G, place.gfn.gfn));
    return piece.node ? piece : whole_piece(cache, place);
}

/* While there are frames in pieces, a block is broken for `near` only, and with a node to spare. */
static struct piece choose_4k(struct pod_cache *cache, struct pod_place place)
{
    unsigned index = node_index(ORDER_2M, place.gfn.gfn);
    struct piece piece = near_piece(cache, place.near, ORDER_4K);
    struct piece whole;
    struct cache_node *node;

    if (piece.node)
        return piece;
    whole = near_piece(cache, place.near, ORDER_2M);
    if (!whole.node || nodes_free(cache) == 0)
        piece = stock_piece(cache, order_size(ORDER_4K), index);
    if (piece.node)
        return piece;
    whole = choose_2m(cache, place);
    if (!whole.node)
        return NO_PIECE;
    node = piece_break(cache, whole);
    return (struct piece){ node, is_within(node, place.near) ? node_index(ORDER_2M, place.near.mfn)
                                                             : index };
}

/* ---- going out ------------------------------------------------------------------------------ */

#define NO_BLOCK ((struct pod_block){ INVALID_MFN, POD_DIRTY })

static struct pod_block take_1g(struct pod_cache *cache, struct cache_node *node)
{
    return node ? node_take(cache, node) : NO_BLOCK;
}

static struct pod_block take_piece(struct pod_cache *cache, struct piece piece)
{
    return piece.node ? piece_take(cache, piece) : NO_BLOCK;
}

/* A wish that makes sense, or none. */
static mfn_t near_of(struct pod_place place, unsigned order)
{
    return frame_is_aligned(place.near.mfn, order) ? place.near : INVALID_MFN;
}

struct pod_block pod_cache_get_open(struct p2m_locked locked, struct pod *pod, unsigned order,
                                    struct pod_place place)
{
    struct pod_cache *cache = &pod->cache;
    struct pod_block block;

    ASSERT(locked.p2m == pod->p2m);
    ASSERT(order_is_size(order));
    place.near = near_of(place, order);
    if (nodes_free(cache) == 0) /* then 4K frames must be seen: they need no node */
        nodes_set_aside(cache, INVALID_MFN);
    if (order == ORDER_1G)
        block = take_1g(cache, choose_1g(cache, place.near));
    else
        block = take_piece(cache,
                           order == ORDER_2M ? choose_2m(cache, place) : choose_4k(cache, place));
    nodes_trim(locked, cache);
    return block;
}

struct pod_block pod_cache_get(struct p2m_locked locked, struct pod *pod, unsigned order,
                               struct pod_place place)
{
    struct pod_block block = pod_cache_get_open(locked, pod, order, place);

    if (mfn_is_valid(block.mfn) || !mfn_is_valid(pod->cache.aside))
        return block;
    nodes_set_aside(&pod->cache, INVALID_MFN);
    return pod_cache_get_open(locked, pod, order, place);
}

struct pod_block pod_cache_get_clean_1g(struct p2m_locked locked, struct pod *pod,
                                        struct pod_place place)
{
    struct pod_cache *cache = &pod->cache;
    struct pod_block block;

    ASSERT(locked.p2m == pod->p2m);
    block = take_1g(cache, choose_1g_that_is(cache, near_of(place, ORDER_1G), POD_CLEAN));
    nodes_trim(locked, cache);
    return block;
}

/* A frame of a block of 2 MB makes that a node of its own; a node must be free for it. */
static struct piece exact_piece(struct pod_cache *cache, mfn_t mfn, unsigned order)
{
    struct piece piece = find_piece(cache, mfn, order);
    struct piece whole;

    if (piece.node || order == ORDER_2M)
        return piece;
    whole = find_piece(cache, mfn, ORDER_2M);
    if (!whole.node || nodes_free(cache) == 0)
        return NO_PIECE;
    return (struct piece){ piece_break(cache, whole), node_index(ORDER_2M, mfn.mfn) };
}

struct pod_block pod_cache_take_at(struct p2m_locked locked, struct pod *pod, mfn_t mfn,
                                   unsigned order)
{
    struct pod_cache *cache = &pod->cache;
    struct pod_block block;

    ASSERT(locked.p2m == pod->p2m);
    ASSERT(order < ORDER_1G && order_is_size(order));
    ASSERT(frame_is_aligned(mfn.mfn, order));
    block = take_piece(cache, exact_piece(cache, mfn, order));
    nodes_trim(locked, cache);
    return block;
}

void pod_cache_set_aside(struct p2m_locked locked, struct pod *pod, mfn_t block)
{
    ASSERT(locked.p2m == pod->p2m);
    nodes_set_aside(&pod->cache, block);
}

bool pod_cache_is_aside(const struct pod *pod, mfn_t block)
{
    return pod->cache.aside.mfn == block.mfn;
}

/* Of the nodes on one shelf, that with the largest blocks: the nearest to being of use whole. */
static struct cache_node *dirty_node(const struct pod_cache *cache, enum pod_shelf shelf)
{
    for (unsigned size = ORDER_SIZES; size-- > 0;) {
        struct pod_link *link = cache->stock[shelf][size][POD_DIRTY];

        if (link)
            return LINK_OWNER(link, struct cache_node, stock);
    }
    return NULL;
}

struct pod_block pod_cache_take_dirty(struct p2m_locked locked, struct pod *pod, unsigned *order)
{
    struct pod_cache *cache = &pod->cache;
    struct cache_node *node = dirty_node(cache, POD_ASIDE);

    ASSERT(locked.p2m == pod->p2m);
    if (!node)
        node = dirty_node(cache, POD_OPEN);
    if (!node)
        return NO_BLOCK;
    *order = node->order - ORDER_STEP;
    return piece_take(cache, (struct piece){ node, node_first_piece(node, POD_DIRTY) });
}
