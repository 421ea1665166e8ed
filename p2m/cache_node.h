/* SPDX-License-Identifier: MIT */
/*
 * The PoD cache's nodes: one for each aligned 2 MB of which some 4K frames are in hand, and for
 * each aligned 1 GB of which some whole 2 MB blocks are. Found by machine frame through a hash;
 * listed by the size of the blocks in them; kept in pages of the host's. Refuses to know which
 * block is the right one to take.
 *
 *      index page            node pages
 *      +--------+            +------+------+------+--
 *      | head 0 |----------> | node | node |      | ...    chain: nodes with one hash value
 *      | head 1 |            +------+------+------+--
 *      |  ...   |                ^
 *      +--------+      stock[shelf][size][clean]           stock: nodes with blocks of one size,
 *                                                          those that are all clean by themselves
 *
 * The index has 512 heads whatever the size of the cache. A chain is a node long, on average, for
 * each GB in hand of which every 2 MB is partial; what is in larger blocks adds next to nothing.
 */
#ifndef P2M_CACHE_NODE_H
#define P2M_CACHE_NODE_H

#include <stddef.h>

#include "p2m/pod.h"

#include "assert.h"
#include "table.h"

#define NODE_PIECES 512u
#define NODE_WORDS  (NODE_PIECES / 64)

/* A set bit is a piece in hand, one order step below the node's order: a 4K frame of 2 MB, or 2 MB
 * of 1 GB. At rest a node has a piece, and a 2 MB node lacks one: else it is a bit of a 1 GB node.
 */
struct cache_node {
    struct pod_link chain;
    struct pod_link stock;
    mfn_t mfn;      /* aligned to order */
    uint16_t order; /* 9 or 18 */
    uint16_t count; /* of bits in `cached`, and of those in `clean` */
    uint16_t clean_count;
    uint64_t cached[NODE_WORDS];
    uint64_t clean[NODE_WORDS]; /* no bit that is not in `cached` */
};

/* On which shelf it is listed. */
static inline enum pod_shelf node_shelf(const struct pod_cache *cache,
                                        const struct cache_node *node)
{
    return frame_align_down(node->mfn.mfn, ORDER_1G) == cache->aside.mfn ? POD_ASIDE : POD_OPEN;
}

/* Where nodes live: a page of the host's. */
#define NODES_PER_PAGE ((FRAME_SIZE - 3 * sizeof(uint64_t)) / sizeof(struct cache_node))
#define NODES_ALL      (((uint64_t)1 << NODES_PER_PAGE) - 1)

struct node_page {
    struct pod_link link; /* among open or empty pages; a full one is in no list */
    uint64_t used;        /* a bit a node */
    struct cache_node node[NODES_PER_PAGE];
};

/* The structure around this link. */
#define LINK_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline struct node_page *node_page_of(const struct cache_node *node)
{
    return (struct node_page *)((uintptr_t)node & ~(uintptr_t)(FRAME_SIZE - 1));
}

/* Which bit stands for this frame, of the guest's or of the machine's, in a node of this order. */
static inline unsigned node_index(unsigned order, uint64_t frame)
{
    return (frame >> (order - ORDER_STEP)) & (NODE_PIECES - 1);
}

static inline mfn_t node_piece(const struct cache_node *node, unsigned index)
{
    return mfn_add(node->mfn, (uint64_t)index << (node->order - ORDER_STEP));
}

static inline bool bit_is_set(const uint64_t *words, unsigned index)
{
    return words[index / 64] >> index % 64 & 1;
}

static inline bool node_is_full(const struct cache_node *node)
{
    return node->count == NODE_PIECES;
}

static inline enum pod_clean node_clean(const struct cache_node *node)
{
    return node->clean_count == node->count ? POD_CLEAN : POD_DIRTY;
}

/* The size of the blocks in it, and so the stock that it is listed in. */
static inline unsigned node_size(const struct cache_node *node)
{
    if (node->order == ORDER_2M)
        return order_size(ORDER_4K);
    return order_size(node_is_full(node) ? ORDER_1G : ORDER_2M);
}

/* A node with blocks of this size: one in which all is clean, or one in which something is not. */
static inline struct cache_node *node_first(const struct pod_cache *cache, unsigned size,
                                            enum pod_clean clean)
{
    struct pod_link *link = cache->stock[POD_OPEN][size][clean];

    return link ? LINK_OWNER(link, struct cache_node, stock) : NULL;
}

/* The first piece of a node that is clean, or that is not; there must be one. */
unsigned node_first_piece(const struct cache_node *node, enum pod_clean clean);

/* What one node adds to the counts. */
void node_account(struct pod_cache_counts *counts, const struct cache_node *node, uint64_t times);

/* The node for the aligned superpage of this order around mfn, or NULL. */
struct cache_node *node_find(const struct pod_cache *cache, mfn_t mfn, unsigned order);
unsigned node_hash(mfn_t mfn, unsigned order);

/* A new node without a piece; nodes_free must not be 0. Give it one before the verb ends. */
struct cache_node *node_make(struct pod_cache *cache, mfn_t mfn, unsigned order);

/* The funnel: one piece comes or goes, or all pieces do, and lists and counts follow. A node that
 * loses its last piece is gone. */
void node_add_piece(struct pod_cache *cache, struct cache_node *node, unsigned index,
                    enum pod_clean clean);
enum pod_clean node_take_piece(struct pod_cache *cache, struct cache_node *node, unsigned index);
void node_fill(struct pod_cache *cache, struct cache_node *node, enum pod_clean clean);
void node_empty(struct pod_cache *cache, struct cache_node *node);

/* The nodes of this GB, and of none else, are aside from now on. */
void nodes_set_aside(struct pod_cache *cache, mfn_t block);

/* One piece of a node; no node: none. */
struct piece {
    struct cache_node *node;
    unsigned index;
};

#define NO_PIECE ((struct piece){ NULL, 0 })

/* Out of hand: one piece, or a 1 GB block. */
struct pod_block piece_take(struct pod_cache *cache, struct piece piece);
struct pod_block node_take(struct pod_cache *cache, struct cache_node *node);

/* A 2 MB block becomes a node of its own, from which the caller takes a frame. The node is there if
 * nodes_free is not 0, or no 4K frames are in hand. */
struct cache_node *piece_break(struct pod_cache *cache, struct piece whole);

/* How many more nodes the pages have room for. */
static inline uint64_t nodes_free(const struct pod_cache *cache)
{
    return cache->index ? (cache->counts.pages - 1) * NODES_PER_PAGE - cache->nodes : 0;
}

/* Pages until this many nodes are free, or none. */
enum p2m_error nodes_reserve(struct p2m_locked locked, struct pod_cache *cache,
                             uint64_t count) P2M_MUST_CHECK;

/* Give back pages without a node, as long as one node stays free while anything is in hand. */
void nodes_trim(struct p2m_locked locked, struct pod_cache *cache);

#endif
