/* SPDX-License-Identifier: MIT */
/*
 * The mirror of the cache's funnel: every node, list and page checked, every count counted again
 * from the bits alone. Changes nothing, prints nothing, and believes no count that it can recount.
 */
#include "cache_node.h"

/* The heads of the index are a page full. */
#define INDEX_HEADS ((unsigned)(FRAME_SIZE / sizeof(struct pod_link *)))

/* What is found on the way through the index. */
struct found {
    uint64_t nodes;
    uint64_t stock[POD_SHELVES][ORDER_SIZES][POD_CLEAN_STATES];
    uint64_t in_full_pages;
};

static void complain(struct pod_cache_audit *report, mfn_t mfn, const char *what)
{
    if (report->errors++ == 0) {
        report->mfn = mfn;
        report->what = what;
    }
}

static unsigned count_bits(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((word * 0x0101010101010101u) >> 56);
}

/* The counts of a node as its bits have them. */
static struct cache_node node_recount(const struct cache_node *node)
{
    struct cache_node recounted = { .mfn = node->mfn, .order = node->order };

    for (unsigned i = 0; i < NODE_WORDS; i++) {
        recounted.count += (uint16_t)count_bits(node->cached[i]);
        recounted.clean_count += (uint16_t)count_bits(node->clean[i] & node->cached[i]);
    }
    return recounted;
}

static bool clean_is_cached(const struct cache_node *node)
{
    uint64_t stray = 0;

    for (unsigned i = 0; i < NODE_WORDS; i++)
        stray |= node->clean[i] & ~node->cached[i];
    return stray == 0;
}

/* Is the 2 MB, of which this node has frames, in hand as a block too? */
static bool is_held_twice(const struct pod_cache *cache, const struct cache_node *node)
{
    const struct cache_node *above = node_find(cache, node->mfn, ORDER_1G);

    return above && bit_is_set(above->cached, node_index(ORDER_1G, node->mfn.mfn));
}

/* NULL, or what is wrong with one node of a known order. */
static const char *node_fault(const struct pod *pod, const struct cache_node *node, unsigned head)
{
    const struct node_page *page = node_page_of(node);
    struct cache_node recounted = node_recount(node);

    if (!frame_is_aligned(node->mfn.mfn, node->order))
        return "a misaligned node";
    if (node->mfn.mfn >= pod->p2m->config.mfn_end.mfn)
        return "a node beyond the machine's frames";
    if (node_hash(node->mfn, node->order) != head)
        return "a node in another's chain";
    if (node_find(&pod->cache, node->mfn, node->order) != node)
        return "two nodes for the same frames";
    if (recounted.count != node->count || recounted.clean_count != node->clean_count)
        return "a node miscounts its pieces";
    if (!clean_is_cached(node))
        return "a clean piece that is not in hand";
    if (node->count == 0)
        return "a node without a piece";
    if (node->order == ORDER_2M && node_is_full(node))
        return "512 frames did not grow together";
    if (node->order == ORDER_2M && is_held_twice(&pod->cache, node))
        return "frames in hand twice";
    if (!(page->used >> (node - page->node) & 1))
        return "a node in a free place of its page";
    return NULL;
}

static void audit_chain(const struct pod *pod, unsigned head, struct found *found,
                        struct pod_cache_audit *report)
{
    for (const struct pod_link *link = pod->cache.index[head]; link; link = link->next) {
        const struct cache_node *node = LINK_OWNER(link, struct cache_node, chain);
        bool has_order = node->order == ORDER_2M || node->order == ORDER_1G;
        const char *what = has_order ? node_fault(pod, node, head) : "a node of no order";
        struct cache_node recounted = node_recount(node);

        if (what)
            complain(report, node->mfn, what);
        if (!has_order)
            continue; /* its counts would mean nothing */
        found->nodes++;
        found->stock[node_shelf(&pod->cache, node)][node_size(node)][node_clean(&recounted)]++;
        found->in_full_pages += node_page_of(node)->used == NODES_ALL;
        node_account(&report->recounted, &recounted, 1);
    }
}

/* One of the lists of nodes. */
struct shelf {
    enum pod_shelf shelf;
    unsigned size;
    enum pod_clean clean;
};

/* Each node once, where its bits say that it belongs: no list holds more than the index knows. */
static void audit_stock(const struct pod_cache *cache, struct shelf where, uint64_t expected,
                        struct pod_cache_audit *report)
{
    struct pod_link *const *from = &cache->stock[where.shelf][where.size][where.clean];
    uint64_t count = 0;

    for (; *from && count <= expected; from = &(*from)->next, count++) {
        const struct cache_node *node = LINK_OWNER(*from, struct cache_node, stock);
        struct cache_node recounted = node_recount(node);

        if (node_size(node) != where.size)
            complain(report, node->mfn, "a node in the list of another size");
        if (node_clean(&recounted) != where.clean)
            complain(report, node->mfn, "a clean node among dirty ones, or a dirty among clean");
        if (node_shelf(cache, node) != where.shelf)
            complain(report, node->mfn, "a node on the wrong shelf");
        if ((*from)->from != from)
            complain(report, node->mfn, "a list that does not lead back");
    }
    if (count != expected)
        complain(report, INVALID_MFN, "a list lacks nodes, or has too many");
}

static void audit_stocks(const struct pod_cache *cache, const struct found *found,
                         struct pod_cache_audit *report)
{
    for (enum pod_shelf shelf = 0; shelf < POD_SHELVES; shelf++)
        for (unsigned size = 0; size < ORDER_SIZES; size++)
            for (enum pod_clean clean = 0; clean < POD_CLEAN_STATES; clean++)
                audit_stock(cache, (struct shelf){ shelf, size, clean },
                            found->stock[shelf][size][clean], report);
}

/* Pages with room, and the nodes in them. */
static uint64_t audit_pages(struct pod_link *const *from, uint64_t *nodes,
                            struct pod_cache_audit *report)
{
    bool is_empty_list = *from && LINK_OWNER(*from, struct node_page, link)->used == 0;
    uint64_t pages = 0;

    for (; *from; from = &(*from)->next, pages++) {
        const struct node_page *page = LINK_OWNER(*from, struct node_page, link);

        if (page->used >= NODES_ALL || (page->used == 0) != is_empty_list)
            complain(report, INVALID_MFN, "a page in the wrong list");
        if ((*from)->from != from)
            complain(report, INVALID_MFN, "a list of pages that does not lead back");
        *nodes += count_bits(page->used);
    }
    return pages;
}

static bool counts_equal(const struct pod_cache_counts *a, const struct pod_cache_counts *b)
{
    bool equal = a->frames == b->frames && a->clean == b->clean && a->pages == b->pages;

    for (unsigned size = 0; size < ORDER_SIZES; size++)
        equal = equal && a->blocks[size] == b->blocks[size];
    return equal;
}

void pod_cache_audit(struct p2m_locked locked, const struct pod *pod,
                     struct pod_cache_audit *report)
{
    const struct pod_cache *cache = &pod->cache;
    struct found found = { .nodes = 0 };
    uint64_t nodes_listed = 0;

    *report = (struct pod_cache_audit){ .mfn = INVALID_MFN };
    for (unsigned head = 0; cache->index && head < INDEX_HEADS; head++)
        audit_chain(pod, head, &found, report);
    audit_stocks(cache, &found, report);
    report->recounted.pages = cache->index ? 1 : 0;
    report->recounted.pages += audit_pages(&cache->open_pages, &nodes_listed, report);
    report->recounted.pages += audit_pages(&cache->empty_pages, &nodes_listed, report);
    report->recounted.pages += found.in_full_pages / NODES_PER_PAGE;
    if (nodes_listed + found.in_full_pages != found.nodes || found.nodes != cache->nodes)
        complain(report, INVALID_MFN, "nodes, places and their count differ");
    if (!counts_equal(&report->recounted, &cache->counts))
        complain(report, INVALID_MFN, "counts of the cache differ from a recount");
    if (locked.p2m->lent_pages != cache->counts.pages)
        complain(report, INVALID_MFN, "the P2M has lent another number of pages");
    if (cache->counts.frames > 0 && cache->counts.blocks[0] == 0 && nodes_free(cache) == 0)
        complain(report, INVALID_MFN, "no node is free for a break");
}
