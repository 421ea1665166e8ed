/* SPDX-License-Identifier: MIT */
/*
 * PoD's frames in hand: growing together, breaking, and which block is taken. Every step costs the
 * same however many frames there are. Refuses to know how nodes are stored (cache_node.c), what a
 * frame is for, and how it is cleared.
 */
#include "cache_node.h"

/* One piece of a node; no node: none. */
struct piece {
    struct cache_node *node;
    unsigned index;
};

#define NO_PIECE ((struct piece){ NULL, 0 })

void pod_create(struct pod *pod, struct p2m *p2m)
{
    *pod = (struct pod){ .p2m = p2m };
}

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

static unsigned first_bit(const uint64_t *words)
{
    unsigned i = 0;

    while (words[i] == 0)
        i++;
    return i * 64 + (unsigned)__builtin_ctzll(words[i]);
}

static struct cache_node *first_node(const struct pod_cache *cache, unsigned order)
{
    struct pod_link *link = cache->stock[order_size(order)];

    return link ? LINK_OWNER(link, struct cache_node, stock) : NULL;
}

/* The block at `near`, unless it is part of a 1 GB block. */
static struct piece near_piece(const struct pod_cache *cache, mfn_t near, unsigned order)
{
    struct piece piece = NO_PIECE;

    if (mfn_is_valid(near))
        piece = find_piece(cache, near, order);
    return piece.node && !node_is_full(piece.node) ? piece : NO_PIECE;
}

/* From the stock of this order: at the offset of gfn if one of the first few has it. */
static struct piece stock_piece(const struct pod_cache *cache, gfn_t gfn, unsigned order)
{
    unsigned index = node_index(order + ORDER_STEP, gfn.gfn);
    struct cache_node *node = first_node(cache, order);

    for (unsigned i = 0; node && i < POD_CACHE_LOOKS; i++) {
        if (bit_is_set(node->cached, index))
            return (struct piece){ node, index };
        node = node->stock.next ? LINK_OWNER(node->stock.next, struct cache_node, stock) : NULL;
    }
    node = first_node(cache, order);
    if (!node)
        return NO_PIECE;
    return (struct piece){ node, first_bit(node->clean_count ? node->clean : node->cached) };
}

/* Of a node that has all its pieces: at `near` if that is within it, else at the offset of gfn. */
static struct piece any_piece(struct cache_node *node, struct pod_place place)
{
    bool is_near =
        mfn_is_valid(place.near) && frame_align_down(place.near.mfn, node->order) == node->mfn.mfn;

    return (struct piece){ node,
                           node_index(node->order, is_near ? place.near.mfn : place.gfn.gfn) };
}

static struct cache_node *choose_1g(const struct pod_cache *cache, mfn_t near)
{
    struct cache_node *node = mfn_is_valid(near) ? node_find(cache, near, ORDER_1G) : NULL;

    return node && node_is_full(node) ? node : first_node(cache, ORDER_1G);
}

static struct piece choose_2m(const struct pod_cache *cache, struct pod_place place)
{
    struct piece piece = near_piece(cache, place.near, ORDER_2M);
    struct cache_node *whole;

    if (!piece.node)
        piece = stock_piece(cache, place.gfn, ORDER_2M);
    if (piece.node)
        return piece;
    whole = choose_1g(cache, place.near);
    return whole ? any_piece(whole, place) : NO_PIECE;
}

/* A 2 MB block becomes a node of its own, from which the caller takes a frame. */
static struct cache_node *break_2m(struct pod_cache *cache, struct piece whole)
{
    mfn_t mfn = node_piece(whole.node, whole.index);
    enum pod_clean clean = node_take_piece(cache, whole.node, whole.index);
    struct cache_node *node = node_make(cache, mfn, ORDER_2M);

    node_fill(cache, node, clean);
    return node;
}

/* While there are frames in pieces, a block is broken for `near` only, and with a node to spare. */
static struct piece choose_4k(struct pod_cache *cache, struct pod_place place)
{
    struct piece piece = near_piece(cache, place.near, ORDER_4K);
    struct piece whole;

    if (piece.node)
        return piece;
    whole = near_piece(cache, place.near, ORDER_2M);
    if (!whole.node || nodes_free(cache) == 0)
        piece = stock_piece(cache, place.gfn, ORDER_4K);
    if (piece.node)
        return piece;
    whole = choose_2m(cache, place);
    return whole.node ? any_piece(break_2m(cache, whole), place) : NO_PIECE;
}

/* ---- going out ------------------------------------------------------------------------------ */

static struct pod_block take_1g(struct pod_cache *cache, struct cache_node *node)
{
    struct pod_block block = { node->mfn, node_clean(node) };

    node_empty(cache, node);
    return block;
}

static struct pod_block take_piece(struct pod_cache *cache, struct piece piece)
{
    mfn_t mfn = node_piece(piece.node, piece.index);

    return (struct pod_block){ mfn, node_take_piece(cache, piece.node, piece.index) };
}

struct pod_block pod_cache_get(struct p2m_locked locked, struct pod *pod, unsigned order,
                               struct pod_place place)
{
    struct pod_block block = { INVALID_MFN, POD_DIRTY };
    struct pod_cache *cache = &pod->cache;

    ASSERT(locked.p2m == pod->p2m);
    ASSERT(order_is_size(order));
    if (!frame_is_aligned(place.near.mfn, order))
        place.near = INVALID_MFN;
    if (order == ORDER_1G) {
        struct cache_node *node = choose_1g(cache, place.near);

        if (node)
            block = take_1g(cache, node);
    } else {
        struct piece piece = order == ORDER_2M ? choose_2m(cache, place) : choose_4k(cache, place);

        if (piece.node)
            block = take_piece(cache, piece);
    }
    nodes_trim(locked, cache);
    return block;
}
