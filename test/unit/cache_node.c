/* SPDX-License-Identifier: MIT */
/*
 * p2m/cache_node.c: the pages that nodes live in are the host's, within the P2M's quota, and go
 * back. p2m/cache_audit.c: whatever is wrong with them is found.
 */
#include "cache_fixture.h"

#include "p2m/cache_node.h"

static enum p2m_error reserve(struct fixture *fixture, uint64_t adds)
{
    return pod_cache_reserve(fixture->locked, &pod, adds);
}

/* A cache of so many nodes, each 2 MB of another GB. */
static void add_nodes(struct fixture *fixture, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++)
        add(fixture, GB(i), ORDER_2M, POD_CLEAN);
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void what_is_reserved_is_enough(void **state)
{
    struct fixture *f = *state;
    uint64_t adds = 3 * NODES_PER_PAGE, pages;

    must(reserve(f, adds));
    pages = pod_cache_counts(&pod).pages;
    assert_int_equal(pages, 1 + 4); /* the index; and one node stays free */
    memory_fail_allocation(1);
    for (uint64_t i = 1; i <= adds; i++) {
        pod_cache_add(f->locked, &pod, GB(i), ORDER_2M, POD_CLEAN);
        expect_cache_sound(f);
    }
    assert_int_equal(pod_cache_counts(&pod).pages, pages);
    assert_false(mfn_is_valid(p2m_host_alloc_table(&f->p2m))); /* nobody had asked for one */
}

static void what_was_not_needed_goes_back(void **state)
{
    struct fixture *f = *state;

    must(reserve(f, 100));
    pod_cache_unreserve(f->locked, &pod);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    assert_int_equal(f->p2m.lent_pages, 0);
    assert_int_equal(memory_tables_in_use(), 1);
    add(f, GB(1), ORDER_2M, POD_CLEAN);
    must(reserve(f, 100));
    pod_cache_unreserve(f->locked, &pod);
    expect_cache_sound(f);
    assert_int_equal(pod_cache_counts(&pod).pages, 2);
}

static void emptied_pages_go_back_and_one_node_stays_free(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 10 * NODES_PER_PAGE);
    assert_int_equal(pod_cache_counts(&pod).pages, 1 + 11);
    for (uint64_t i = 10 * NODES_PER_PAGE; i > 0; i--) {
        assert_true(nodes_free(&pod.cache) > 0);
        assert_true(mfn_is_valid(take_near(f, ORDER_2M, GB(i)).mfn));
    }
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    assert_int_equal(memory_tables_in_use(), 1);
}

/* Each allocation in turn fails, and nothing has changed. */
static void a_reserve_that_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;

    for (unsigned filled = 0; filled < 2; filled++) {
        for (uint64_t nth = 1; nth <= 4; nth++) {
            struct pod_cache before = pod.cache;

            memory_fail_allocation(nth);
            assert_int_equal(reserve(f, 5 * NODES_PER_PAGE), P2M_NO_MEMORY);
            memory_fail_allocation(0);
            assert_memory_equal(&pod.cache, &before, sizeof(before));
            assert_int_equal(memory_tables_in_use(), 1 + before.counts.pages);
            expect_cache_sound(f);
        }
        if (filled == 0)
            add_nodes(f, 2 * NODES_PER_PAGE);
    }
}

static void nodes_and_tables_share_one_quota(void **state)
{
    struct fixture *f = *state;

    f->config.table_quota = 4;
    f->p2m.config.table_quota = 4;
    assert_int_equal(reserve(f, 3 * NODES_PER_PAGE), P2M_NO_MEMORY);
    assert_int_equal(reserve(f, UINT64_MAX), P2M_NO_MEMORY);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    must(reserve(f, NODES_PER_PAGE));
    assert_int_equal(f->p2m.lent_pages, 3);
    REFUSED(f, P2M_NO_MEMORY, set(f, GFN(0), GB(1), ORDER_1G, P2M_RAM_RW));
    pod_cache_unreserve(f->locked, &pod);
    must(set(f, GFN(0), GB(1), ORDER_2M, P2M_RAM_RW)); /* two tables */
    assert_int_equal(reserve(f, 1), P2M_NO_MEMORY);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
}

static void many_nodes_are_found_by_their_frames(void **state)
{
    struct fixture *f = *state;
    uint64_t count = 5000;

    must(reserve(f, count));
    for (uint64_t i = 0; i < count; i++)
        pod_cache_add(f->locked, &pod, mfn_add(GB(1), i * 512 + i % 512), ORDER_4K, POD_CLEAN);
    expect_cache_sound(f);
    expect_blocks(0, 0, count);
    for (uint64_t i = 0; i < count; i++) {
        mfn_t mfn = mfn_add(GB(1), i * 512 + i % 512);
        struct pod_place place = { GFN(0), mfn };

        assert_int_equal(pod_cache_get(f->locked, &pod, ORDER_4K, place).mfn.mfn, mfn.mfn);
    }
    expect_cache_sound(f);
}

/* The superpages of whole GBs and the GBs themselves spread over the chains. */
static void frames_hash_evenly(void **state)
{
    unsigned chain[512] = { 0 }, longest = 0;

    (void)state;
    for (uint64_t i = 0; i < 8 * 512; i++)
        chain[node_hash(mfn_add(GB(1), i * 512), ORDER_2M)]++;
    for (uint64_t i = 0; i < 512; i++)
        chain[node_hash(GB(i), ORDER_1G)]++;
    for (unsigned i = 0; i < 512; i++)
        longest = chain[i] > longest ? chain[i] : longest;
    assert_in_range(longest, 9, 20);
}

/* Two nodes, and what becomes of them as their pieces come and go. */
static void a_node_is_listed_by_what_is_dirty_in_it(void **state)
{
    struct fixture *f = *state;
    struct pod_cache *cache = &pod.cache;
    unsigned index;

    add(f, GB(1), ORDER_1G, POD_DIRTY);
    add(f, mfn_add(GB(2), 3), ORDER_4K, POD_CLEAN);
    assert_int_equal(node_first(cache, 2, POD_DIRTY)->mfn.mfn, GB(1).mfn);
    assert_null(node_first(cache, 2, POD_CLEAN));
    assert_int_equal(node_first(cache, 0, POD_CLEAN)->mfn.mfn, GB(2).mfn);
    add(f, mfn_add(GB(2), 500), ORDER_4K, POD_DIRTY);
    assert_null(node_first(cache, 0, POD_CLEAN));
    index = node_first_piece(node_first(cache, 0, POD_DIRTY), POD_DIRTY);
    assert_int_equal(index, 500);
    index = node_first_piece(node_first(cache, 0, POD_DIRTY), POD_CLEAN);
    assert_int_equal(index, 3);
    assert_true(mfn_is_valid(take_near(f, ORDER_4K, mfn_add(GB(2), 500)).mfn));
    assert_null(node_first(cache, 0, POD_DIRTY));
    EXPECT_ASSERT(node_first_piece(node_first(cache, 0, POD_CLEAN), POD_DIRTY));
}

/* ---- the audit ------------------------------------------------------------------------------ */

#define EXPECT_FOUND(fixture, complaint)                                                           \
    do {                                                                                           \
        struct pod_cache_audit report;                                                             \
                                                                                                   \
        pod_cache_audit((fixture)->locked, &pod, &report);                                         \
        assert_int_not_equal(report.errors, 0);                                                    \
        assert_string_equal(report.what, complaint);                                               \
    } while (0)

/* Something is wrong for a moment, and found. */
#define WITH(fixture, place, wrong, complaint)                                                     \
    do {                                                                                           \
        __typeof__(place) right = (place);                                                         \
                                                                                                   \
        (place) = (wrong);                                                                         \
        EXPECT_FOUND(fixture, complaint);                                                          \
        (place) = right;                                                                           \
        expect_cache_sound(fixture);                                                               \
    } while (0)

static void the_audit_finds_a_wrong_node(void **state)
{
    struct fixture *f = *state;
    struct cache_node *node;

    add(f, mfn_add(GB(1), 7), ORDER_4K, POD_CLEAN);
    add(f, mfn_add(GB(1), 8), ORDER_4K, POD_DIRTY);
    node = node_find(&pod.cache, GB(1), ORDER_2M);
    WITH(f, node->order, 3, "a node of no order");
    WITH(f, node->mfn, mfn_add(GB(1), 1), "a misaligned node");
    WITH(f, node->mfn, f->config.mfn_end, "a node beyond the machine's frames");
    WITH(f, node->mfn, GB(2), "a node in another's chain");
    WITH(f, node->count, 3, "a node miscounts its pieces");
    WITH(f, node->clean_count, 2, "a node miscounts its pieces");
    WITH(f, node->cached[1], 1, "a node miscounts its pieces");
    WITH(f, node->cached[7], 1, "a node miscounts its pieces");
    WITH(f, node->clean[0], (uint64_t)1 << 7 | 1, "a clean piece that is not in hand");
    WITH(f, node->clean[7], 1, "a clean piece that is not in hand");
}

static void the_audit_finds_wrong_counts_lists_and_pages(void **state)
{
    struct fixture *f = *state;
    struct node_page *page;
    struct pod_cache *cache = &pod.cache;
    const char *counts = "counts of the cache differ from a recount";

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    add(f, GB(2), ORDER_2M, POD_CLEAN);
    page = node_page_of(node_find(cache, GB(1), ORDER_1G));
    WITH(f, cache->counts.frames, 7, counts);
    WITH(f, cache->counts.clean, 7, counts);
    WITH(f, cache->counts.blocks[order_size(ORDER_1G)], 2, counts);
    WITH(f, cache->counts.pages, 3, counts);
    WITH(f, f->p2m.lent_pages, 3, "the P2M has lent another number of pages");
    WITH(f, cache->nodes, 3, "nodes, places and their count differ");
    WITH(f, cache->stock[POD_OPEN][1][POD_DIRTY], cache->stock[POD_OPEN][1][POD_CLEAN],
         "a clean node among dirty ones, or a dirty among clean");
    WITH(f, cache->stock[POD_OPEN][1][POD_CLEAN], NULL, "a list lacks nodes, or has too many");
    WITH(f, cache->stock[POD_OPEN][1][POD_CLEAN], cache->stock[POD_OPEN][2][POD_CLEAN],
         "a node in the list of another size");
    WITH(f, cache->stock[POD_OPEN][1][POD_CLEAN]->from, NULL, "a list that does not lead back");
    WITH(f, page->used, 7, "nodes, places and their count differ");
    WITH(f, page->used, 1, "a node in a free place of its page");
    WITH(f, page->link.from, NULL, "a list of pages that does not lead back");
    WITH(f, cache->empty_pages, &page->link, "a list of pages that does not lead back");
    WITH(f, cache->open_pages, NULL, "nodes, places and their count differ");
    pod_cache_set_aside(f->locked, &pod, GB(2));
    WITH(f, cache->stock[POD_ASIDE][1][POD_CLEAN], NULL, "a list lacks nodes, or has too many");
    pod_cache_set_aside(f->locked, &pod, INVALID_MFN);
}

/* One without a node, behind one that has some. */
static void the_audit_finds_a_page_in_the_wrong_list(void **state)
{
    struct fixture *f = *state;
    struct pod_cache *cache = &pod.cache;
    struct pod_link *empty, *open;

    add(f, GB(1), ORDER_1G, POD_CLEAN);
    must(reserve(f, NODES_PER_PAGE));
    empty = cache->empty_pages;
    open = cache->open_pages;
    assert_non_null(empty);
    assert_null(empty->next);
    assert_null(open->next);
    cache->empty_pages = NULL;
    open->next = empty;
    empty->from = &open->next;
    EXPECT_FOUND(f, "a page in the wrong list");
    open->next = NULL;
    cache->empty_pages = empty;
    empty->from = &cache->empty_pages;
    expect_cache_sound(f);
}

/* Frames that are in hand as a block too; a block that did not grow. */
static void the_audit_finds_frames_in_two_places(void **state)
{
    struct fixture *f = *state;
    struct cache_node *node;

    add(f, GB(1), ORDER_2M, POD_CLEAN);
    add(f, mfn_add(GB(2), 3), ORDER_4K, POD_CLEAN);
    must(reserve(f, 2));
    node = node_make(&pod.cache, GB(1), ORDER_2M);
    node_add_piece(&pod.cache, node, 3, POD_CLEAN);
    EXPECT_FOUND(f, "frames in hand twice");
    node_empty(&pod.cache, node);
    node = node_find(&pod.cache, GB(2), ORDER_2M);
    node_fill(&pod.cache, node, POD_CLEAN);
    EXPECT_FOUND(f, "512 frames did not grow together");
    node_empty(&pod.cache, node);
    node = node_make(&pod.cache, GB(1), ORDER_1G);
    node_add_piece(&pod.cache, node, 9, POD_CLEAN);
    EXPECT_FOUND(f, "two nodes for the same frames");
    node_empty(&pod.cache, node);
    node = node_make(&pod.cache, GB(3), ORDER_1G);
    EXPECT_FOUND(f, "a node without a piece");
    node_fill(&pod.cache, node, POD_CLEAN);
    expect_cache_sound(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(what_is_reserved_is_enough),
        CACHE_FOR_BOTH_FORMATS(what_was_not_needed_goes_back),
        CACHE_FOR_BOTH_FORMATS(emptied_pages_go_back_and_one_node_stays_free),
        CACHE_FOR_BOTH_FORMATS(a_reserve_that_fails_changes_nothing),
        CACHE_FOR_BOTH_FORMATS(nodes_and_tables_share_one_quota),
        CACHE_FOR_BOTH_FORMATS(many_nodes_are_found_by_their_frames),
        CACHE_FOR_BOTH_FORMATS(frames_hash_evenly),
        CACHE_FOR_BOTH_FORMATS(a_node_is_listed_by_what_is_dirty_in_it),
        CACHE_FOR_BOTH_FORMATS(the_audit_finds_a_wrong_node),
        CACHE_FOR_BOTH_FORMATS(the_audit_finds_wrong_counts_lists_and_pages),
        CACHE_FOR_BOTH_FORMATS(the_audit_finds_a_page_in_the_wrong_list),
        CACHE_FOR_BOTH_FORMATS(the_audit_finds_frames_in_two_places),
    };

    return cmocka_run_group_tests_name("cache_node", tests, NULL, NULL);
}
