/* SPDX-License-Identifier: MIT */
/*
 * The PoD cache's nodes: their pages, the hash that finds them, and the one place where a piece
 * comes or goes and the counts with it. Refuses to know why a piece is taken, and which.
 */
#include "cache_node.h"

#define INDEX_BITS  9
#define INDEX_HEADS ((unsigned)1 << INDEX_BITS)

_Static_assert(sizeof(struct node_page) <= FRAME_SIZE, "nodes overflow their page");
_Static_assert(INDEX_HEADS * sizeof(struct pod_link *) <= FRAME_SIZE, "the index is one page");
_Static_assert(NODES_PER_PAGE < 64, "a page's nodes are bits of one word");

static void link_push(struct pod_link **head, struct pod_link *link)
{
    *link = (struct pod_link){ *head, head };
    if (link->next)
        link->next->from = &link->next;
    *head = link;
}

static void link_remove(struct pod_link *link)
{
    *link->from = link->next;
    if (link->next)
        link->next->from = link->from;
}

/* ---- pages: the host's, within the quota of the P2M ----------------------------------------- */

static void *page_take(struct p2m_locked locked, struct pod_cache *cache)
{
    struct p2m *p2m = locked.p2m;
    mfn_t page = table_lend(locked);

    if (!mfn_is_valid(page))
        return NULL;
    cache->counts.pages++;
    return (char *)p2m->config.direct_map + (page.mfn << FRAME_SHIFT);
}

static void page_return(struct p2m_locked locked, struct pod_cache *cache, const void *page)
{
    const char *direct_map = locked.p2m->config.direct_map;

    cache->counts.pages--;
    table_take_back(locked, MFN((uint64_t)((const char *)page - direct_map) >> FRAME_SHIFT));
}

static void page_set_used(struct pod_cache *cache, struct node_page *page, uint64_t used)
{
    if (page->used != NODES_ALL)
        link_remove(&page->link);
    page->used = used;
    if (used != NODES_ALL)
        link_push(used ? &cache->open_pages : &cache->empty_pages, &page->link);
}

static void empty_page_return(struct p2m_locked locked, struct pod_cache *cache)
{
    struct node_page *page = LINK_OWNER(cache->empty_pages, struct node_page, link);

    link_remove(&page->link);
    page_return(locked, cache, page);
}

static void index_return(struct p2m_locked locked, struct pod_cache *cache)
{
    page_return(locked, cache, cache->index);
    cache->index = NULL;
}

static bool index_take(struct p2m_locked locked, struct pod_cache *cache)
{
    if (cache->index)
        return true;
    cache->index = page_take(locked, cache);
    if (!cache->index)
        return false;
    for (unsigned i = 0; i < INDEX_HEADS; i++)
        cache->index[i] = NULL;
    return true;
}

static bool empty_page_take(struct p2m_locked locked, struct pod_cache *cache)
{
    struct node_page *page = page_take(locked, cache);

    if (!page)
        return false;
    page->used = 0;
    link_push(&cache->empty_pages, &page->link);
    return true;
}

enum p2m_error nodes_reserve(struct p2m_locked locked, struct pod_cache *cache, uint64_t count)
{
    uint64_t before = cache->counts.pages;

    if (!index_take(locked, cache))
        return P2M_NO_MEMORY;
    while (nodes_free(cache) < count) {
        if (empty_page_take(locked, cache))
            continue;
        while (cache->counts.pages > before + (before == 0)) /* the newest are listed first */
            empty_page_return(locked, cache);
        if (before == 0)
            index_return(locked, cache);
        return P2M_NO_MEMORY;
    }
    return P2M_OK;
}

/* The free node that stays is what makes breaking a 2 MB block sure to work. */
void nodes_trim(struct p2m_locked locked, struct pod_cache *cache)
{
    while (cache->empty_pages && (cache->nodes == 0 || nodes_free(cache) > NODES_PER_PAGE))
        empty_page_return(locked, cache);
    if (cache->nodes == 0 && cache->index)
        index_return(locked, cache);
}

/* ---- nodes, found by frame ------------------------------------------------------------------ */

/* Multiplied by 2^64 over the golden ratio, neighbours fall far apart; the high bits are the best.
 */
unsigned node_hash(mfn_t mfn, unsigned order)
{
    return (unsigned)(((mfn.mfn | order) * 0x9e3779b97f4a7c15u) >> (64 - INDEX_BITS));
}

struct cache_node *node_find(const struct pod_cache *cache, mfn_t mfn, unsigned order)
{
    mfn_t base = MFN(frame_align_down(mfn.mfn, order));

    if (!cache->index)
        return NULL;
    for (struct pod_link *link = cache->index[node_hash(base, order)]; link; link = link->next) {
        struct cache_node *node = LINK_OWNER(link, struct cache_node, chain);

        if (node->mfn.mfn == base.mfn && node->order == order)
            return node;
    }
    return NULL;
}

struct cache_node *node_make(struct pod_cache *cache, mfn_t mfn, unsigned order)
{
    struct pod_link *pages = cache->open_pages ? cache->open_pages : cache->empty_pages;
    struct node_page *page;
    struct cache_node *node;

    ASSERT(pages);
    page = LINK_OWNER(pages, struct node_page, link);
    node = &page->node[__builtin_ctzll(~page->used)];
    page_set_used(cache, page, page->used | (page->used + 1)); /* the lowest clear bit */
    *node = (struct cache_node){ .mfn = MFN(frame_align_down(mfn.mfn, order)),
                                 .order = (uint16_t)order };
    link_push(&cache->index[node_hash(node->mfn, order)], &node->chain);
    cache->nodes++;
    return node;
}

static void node_discard(struct pod_cache *cache, struct cache_node *node)
{
    struct node_page *page = node_page_of(node);

    link_remove(&node->chain);
    page_set_used(cache, page, page->used & ~((uint64_t)1 << (node - page->node)));
    cache->nodes--;
}

/* ---- the funnel ----------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void
account(struct pod_cache_counts *counts, const struct cache_node *node, uint64_t times)
{
    unsigned shift = node->order - ORDER_STEP;
    bool is_block = node_size(node) == order_size(ORDER_1G);

    counts->blocks[node_size(node)] += is_block ? times : times * node->count;
    counts->frames += times * ((uint64_t)node->count << shift);
    counts->clean += times * ((uint64_t)node->clean_count << shift);
}

void node_account(struct pod_cache_counts *counts, const struct cache_node *node, uint64_t times)
{
    account(counts, node, times);
}

static void node_list(struct pod_cache *cache, struct cache_node *node)
{
    link_push(&cache->stock[node_shelf(cache, node)][node_size(node)][node_clean(node)],
              &node->stock);
}

/* Bits have changed; so many were set before. The counts follow, and it is listed as what it has
 * become. */
static void node_changed(struct pod_cache *cache, struct cache_node *node, unsigned count,
                         unsigned clean_count)
{
    const struct cache_node was = { .order = node->order,
                                    .count = (uint16_t)count,
                                    .clean_count = (uint16_t)clean_count };
    bool is_other = node_size(node) != node_size(&was) || node_clean(node) != node_clean(&was);

    account(&cache->counts, &was, UINT64_MAX); /* minus one */
    account(&cache->counts, node, 1);
    if (count > 0 && (is_other || node->count == 0))
        link_remove(&node->stock);
    if (node->count == 0)
        node_discard(cache, node);
    else if (count == 0 || is_other)
        node_list(cache, node);
}

void node_add_piece(struct pod_cache *cache, struct cache_node *node, unsigned index,
                    enum pod_clean clean)
{
    unsigned is_clean = clean == POD_CLEAN;

    ASSERT(!bit_is_set(node->cached, index));
    node->cached[index / 64] |= (uint64_t)1 << index % 64;
    node->clean[index / 64] |= (uint64_t)is_clean << index % 64;
    node->count++;
    node->clean_count += is_clean;
    node_changed(cache, node, node->count - 1u, node->clean_count - is_clean);
}

enum pod_clean node_take_piece(struct pod_cache *cache, struct cache_node *node, unsigned index)
{
    uint64_t bit = (uint64_t)1 << index % 64;
    unsigned is_clean = bit_is_set(node->clean, index);

    ASSERT(bit_is_set(node->cached, index));
    node->cached[index / 64] &= ~bit;
    node->clean[index / 64] &= ~bit;
    node->count--;
    node->clean_count -= is_clean;
    node_changed(cache, node, node->count + 1u, node->clean_count + is_clean);
    return is_clean ? POD_CLEAN : POD_DIRTY;
}

static void node_set_all(struct pod_cache *cache, struct cache_node *node, uint64_t cached,
                         uint64_t clean)
{
    unsigned count = node->count, clean_count = node->clean_count;

    for (unsigned i = 0; i < NODE_WORDS; i++) {
        node->cached[i] = cached;
        node->clean[i] = clean;
    }
    node->count = cached ? NODE_PIECES : 0;
    node->clean_count = clean ? NODE_PIECES : 0;
    node_changed(cache, node, count, clean_count);
}

void node_fill(struct pod_cache *cache, struct cache_node *node, enum pod_clean clean)
{
    node_set_all(cache, node, UINT64_MAX, clean == POD_CLEAN ? UINT64_MAX : 0);
}

void node_empty(struct pod_cache *cache, struct cache_node *node)
{
    node_set_all(cache, node, 0, 0);
}

/* ---- set aside ------------------------------------------------------------------------------ */

static void node_list_anew(struct pod_cache *cache, struct cache_node *node)
{
    if (!node)
        return;
    ASSERT(node->count > 0);
    link_remove(&node->stock);
    node_list(cache, node);
}

static void block_list_anew(struct pod_cache *cache, mfn_t block)
{
    if (!mfn_is_valid(block))
        return;
    for (uint64_t i = 0; i < NODE_PIECES; i++)
        node_list_anew(cache, node_find(cache, mfn_add(block, i << ORDER_2M), ORDER_2M));
    node_list_anew(cache, node_find(cache, block, ORDER_1G));
}

void nodes_set_aside(struct pod_cache *cache, mfn_t block)
{
    mfn_t before = cache->aside;

    cache->aside = block;
    block_list_anew(cache, before);
    block_list_anew(cache, block);
}

/* ---- pieces --------------------------------------------------------------------------------- */

unsigned node_first_piece(const struct cache_node *node, enum pod_clean clean)
{
    for (unsigned i = 0; i < NODE_WORDS; i++) {
        uint64_t word = clean == POD_CLEAN ? node->clean[i] : node->cached[i] & ~node->clean[i];

        if (word)
            return i * 64 + (unsigned)__builtin_ctzll(word);
    }
    ASSERT(false);
    return 0;
}

struct pod_block piece_take(struct pod_cache *cache, struct piece piece)
{
    mfn_t mfn = node_piece(piece.node, piece.index);

    return (struct pod_block){ mfn, node_take_piece(cache, piece.node, piece.index) };
}

struct pod_block node_take(struct pod_cache *cache, struct cache_node *node)
{
    struct pod_block block = { node->mfn, node_clean(node) };

    node_empty(cache, node);
    return block;
}

struct cache_node *piece_break(struct pod_cache *cache, struct piece whole)
{
    struct pod_block block = piece_take(cache, whole);
    struct cache_node *node = node_make(cache, block.mfn, ORDER_2M);

    node_fill(cache, node, block.clean);
    return node;
}
