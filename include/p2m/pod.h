/* SPDX-License-Identifier: MIT */
/*
 * Populate-on-demand: a guest that is promised more memory than it has. What stands here so far is
 * its cache: the frames in hand that its markers will be populated from, by order.
 *
 * The cache holds no list of frames. An aligned 2 MB of which some frames are in hand is one node
 * with a bit a frame; an aligned 1 GB of which some whole 2 MB blocks are in hand is one node with
 * a bit a block; all bits set, it is a 1 GB block. So blocks grow and break in a fixed number of
 * steps:
 *
 *      stock   what it is               out of                    breaks when dry
 *      1 GB    nodes with all bits      -                         -
 *      2 MB    set bits                 nodes of a partial 1 GB   a 1 GB block
 *      4 KB    set bits                 nodes of a partial 2 MB   a 2 MB block, then a 1 GB block
 *
 * Refuses to know the map, types, who owned a frame before, and how memory is cleared.
 */
#ifndef P2M_POD_H
#define P2M_POD_H

#include "p2m/p2m.h"

/* Does a block read as zero? A block that grew together is clean if all its pieces were. */
enum pod_clean { POD_DIRTY, POD_CLEAN };

/* A block that is, or was, in hand. */
struct pod_block {
    mfn_t mfn; /* INVALID_MFN: there is none */
    enum pod_clean clean;
};

/* What is in hand; exact whenever no verb runs. */
struct pod_cache_counts {
    uint64_t blocks[ORDER_SIZES]; /* by size: each frame is counted in the largest block it is of */
    uint64_t frames;              /* 4K frames, in sum */
    uint64_t clean; /* 4K frames among them that need no clearing, taken by 2 MB or 4 KB */
    uint64_t pages; /* table pages taken from the host for nodes; part of the P2M's table quota */
};

/* A place in one of the cache's own lists. */
struct pod_link {
    struct pod_link *next;
    struct pod_link **from; /* whatever points here */
};

/* Its fields are the engine's alone, and point at each other: it stays where it was created. */
struct pod_cache {
    struct pod_cache_counts counts;
    uint64_t nodes;
    struct pod_link **index;             /* a page of hash chains; NULL while there are no pages */
    struct pod_link *stock[ORDER_SIZES]; /* nodes by the size of their blocks */
    struct pod_link *open_pages;         /* pages with nodes and room for more */
    struct pod_link *empty_pages;
};

/* Embed it beside struct p2m. */
struct pod {
    struct p2m *p2m;
    struct pod_cache cache;
};

/*
 * pod_create - populate-on-demand for this map: nothing in hand, no page taken.
 *   Units:   none.
 *   Context: after p2m_create, before anybody else can see pod. There is no pod_destroy: a cache
 *            from which everything was taken holds no page.
 *   Errors:  none.
 *   Debts:   none.
 */
void pod_create(struct pod *pod, struct p2m *p2m);

/*
 * pod_cache_reserve - take the pages from the host that this many additions can need.
 *   Units:   additions; those of 4K frames of one aligned 2 MB count as one together, and so do
 *            those of 2 MB blocks of one aligned 1 GB.
 *   Context: P2M held. Lasts until the next pod_cache_get or pod_cache_unreserve.
 *   Errors:  P2M_NO_MEMORY, from the host or by the P2M's table quota; nothing has changed then.
 *   Debts:   none.
 */
enum p2m_error pod_cache_reserve(struct p2m_locked locked, struct pod *pod,
                                 uint64_t adds) P2M_MUST_CHECK;

/*
 * pod_cache_unreserve - give back the pages that the additions did not need after all.
 *   Units:   none.
 *   Context: P2M held.
 *   Errors:  none.
 *   Debts:   none.
 */
void pod_cache_unreserve(struct p2m_locked locked, struct pod *pod);

/*
 * pod_cache_add - a block comes into hand, and grows together with what is there: 512 frames into
 * 2 MB, 512 x 2 MB into 1 GB.
 *   Units:   order 0, 9 or 18; mfn aligned to it.
 *   Context: P2M held; pod_cache_reserve went before. No processor can reach the frames any more
 *            (what left the map is added when its debt is paid), and none of them is in hand.
 *   Errors:  none.
 *   Debts:   none.
 */
void pod_cache_add(struct p2m_locked locked, struct pod *pod, mfn_t mfn, unsigned order,
                   enum pod_clean clean);

/* Where a block is to go, so that it is taken where a later merge can use it. */
struct pod_place {
    gfn_t gfn;  /* the block's offset in its superpage should be that of this gfn in its own */
    mfn_t near; /* the frame that continues what is mapped beside gfn; INVALID_MFN: none */
};

#define POD_CACHE_LOOKS 8

/*
 * pod_cache_get - take a block of exactly this order; larger ones are broken when there is none.
 * Which one: first the block at place.near, wherever it is in hand, but that no 1 GB block is
 * broken for it while there is a smaller one (a leaf ends at 1 GB: nothing grows across), and no
 * 2 MB block while there are 4K frames and all nodes are in use (a get takes no page). Then one
 * with the offset of place.gfn, looked for in the first POD_CACHE_LOOKS partial superpages, and
 * always found where a larger block is broken. Then any, a clean one sooner.
 *   Units:   order 0, 9 or 18; near not aligned to order is no wish.
 *   Context: P2M held. May give pages back to the host, takes none.
 *   Errors:  mfn is INVALID_MFN when no block of this order or larger is in hand. Order 0 works as
 *            long as one frame is.
 *   Debts:   none.
 */
struct pod_block pod_cache_get(struct p2m_locked locked, struct pod *pod, unsigned order,
                               struct pod_place place);

/*
 * pod_cache_counts - a copy of the counts.
 *   Units:   as in the structure.
 *   Context: exact under the lock, else of some moment.
 *   Errors:  none.
 *   Debts:   none.
 */
struct pod_cache_counts pod_cache_counts(const struct pod *pod);

struct pod_cache_audit {
    uint64_t errors;
    struct pod_cache_counts recounted;
    mfn_t mfn; /* where the first error is; INVALID_MFN: nowhere in particular */
    const char *what;
};

/*
 * pod_cache_audit - check every node, list and page, and recount every count from the bits. Reads
 * only.
 *   Units:   report->errors is 0 for a sound cache.
 *   Context: P2M held, between verbs. O(nodes).
 *   Errors:  in the report.
 *   Debts:   none.
 */
void pod_cache_audit(struct p2m_locked locked, const struct pod *pod,
                     struct pod_cache_audit *report);

#endif
