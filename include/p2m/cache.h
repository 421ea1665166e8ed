/* SPDX-License-Identifier: MIT */
/*
 * The PoD cache: the frames in hand that a guest's marks will be populated from, by order.
 *
 * It holds no list of frames. An aligned 2 MB of which some frames are in hand is one node
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
#ifndef P2M_CACHE_H
#define P2M_CACHE_H

#include "p2m/p2m.h"

struct pod;

/* Does a block read as zero? A block that grew together is clean if all its pieces were. */
enum pod_clean { POD_DIRTY, POD_CLEAN, POD_CLEAN_STATES };

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

/* From which a block is taken: from the open one, as long as there is anything on it. */
enum pod_shelf { POD_OPEN, POD_ASIDE, POD_SHELVES };

/* Its fields are the engine's alone, and point at each other: it stays where it was created. */
struct pod_cache {
    struct pod_cache_counts counts;
    uint64_t nodes;
    struct pod_link **index; /* a page of hash chains; NULL while there are no pages */
    /* nodes by the size of their blocks; those in which all is clean, apart from the others */
    struct pod_link *stock[POD_SHELVES][ORDER_SIZES][POD_CLEAN_STATES];
    mfn_t aside; /* nodes of this GB are on a shelf of their own; INVALID_MFN: none */
    struct pod_link *open_pages; /* pages with nodes and room for more */
    struct pod_link *empty_pages;
};

/*
 * pod_cache_reserve - take the pages from the host that this many additions can need.
 *   Units:   additions; those of 4K frames of one aligned 2 MB count as one together, and so do
 *            those of 2 MB blocks of one aligned 1 GB.
 *   Context: P2M held. Lasts until a block is taken, or until pod_cache_unreserve.
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
 * with the offset of place.gfn, looked for in the first POD_CACHE_LOOKS partial superpages in which
 * all is clean and the first POD_CACHE_LOOKS others, and always found where a larger block is
 * broken. Then any. Of two blocks that are placed alike, the clean one is taken; a 1 GB block is
 * clean if there is one that is, wherever near is, and a dirty one breaks sooner for a clean piece.
 *   Units:   order 0, 9 or 18; near not aligned to order is no wish.
 *   Context: P2M held. May give pages back to the host, takes none.
 *   Errors:  mfn is INVALID_MFN when no block of this order or larger is in hand. Order 0 works as
 *            long as one frame is.
 *   Debts:   none.
 */
struct pod_block pod_cache_get(struct p2m_locked locked, struct pod *pod, unsigned order,
                               struct pod_place place);

/*
 * pod_cache_get_clean_1g - a 1 GB block that reads as zero: nothing is broken for it, and no dirty
 * one taken.
 *   Units:   near as for pod_cache_get; gfn has no say, since all of it has the same offset.
 *   Context: P2M held. May give pages back to the host, takes none. O(1).
 *   Errors:  mfn is INVALID_MFN when no clean 1 GB block is in hand.
 *   Debts:   none.
 */
struct pod_block pod_cache_get_clean_1g(struct p2m_locked locked, struct pod *pod,
                                        struct pod_place place);

/*
 * pod_cache_get_open - the same, but never from what was set aside.
 */
struct pod_block pod_cache_get_open(struct p2m_locked locked, struct pod *pod, unsigned order,
                                    struct pod_place place);

/*
 * pod_cache_counts - a copy of the counts.
 *   Units:   as in the structure.
 *   Context: exact under the lock, else of some moment.
 *   Errors:  none.
 *   Debts:   none.
 */
struct pod_cache_counts pod_cache_counts(const struct pod *pod);

/*
 * pod_cache_give_back - take the block to give to the host when `frames` are to go. The largest
 * that is no larger than `frames`; but where marks of its size still need all blocks of it
 * (pod->max_order is the largest that any mark needs), it is kept as long as smaller ones are
 * enough. One is broken only when all are larger than `frames`. A dirty one goes sooner.
 *   Units:   frames > 0; *order is that of the block.
 *   Context: P2M held. May give pages back to the host, takes none. O(1).
 *   Errors:  mfn is INVALID_MFN when nothing is in hand.
 *   Debts:   none.
 */
struct pod_block pod_cache_give_back(struct p2m_locked locked, struct pod *pod, uint64_t frames,
                                     unsigned *order);

/*
 * pod_cache_take_dirty - a block that may not read as zero, for clearing: 2 MB out of a 1 GB block,
 * which grows again when all that was taken of it is added back; else 2 MB; else 4 KB.
 *   Units:   *order is that of the block.
 *   Context: P2M held. O(1). Gives no page back: the block will need its node again.
 *   Errors:  mfn is INVALID_MFN when all is clean.
 *   Debts:   none.
 */
struct pod_block pod_cache_take_dirty(struct p2m_locked locked, struct pod *pod, unsigned *order);

/*
 * pod_cache_take_at - exactly this block, if all of it is in hand, set aside or not.
 *   Units:   order 0 or 9.
 *   Context: P2M held.
 *   Errors:  mfn is INVALID_MFN: not all of it is, or no node is free to break what it is part of.
 *   Debts:   none.
 */
struct pod_block pod_cache_take_at(struct p2m_locked locked, struct pod *pod, mfn_t mfn,
                                   unsigned order);

/*
 * pod_cache_set_aside - what is in hand of this GB, and what will be, is taken last: it is to be
 * whole again. Ends by itself when there is nothing else to take, when no node is free to break
 * something else with, and when a block goes to the host; a whole GB is there for who wants one.
 *   Units:   a GB of the machine, aligned; INVALID_MFN: none any more. One at a time.
 *   Context: P2M held. pod_cache_is_aside: any.
 *   Errors:  none.
 *   Debts:   none.
 */
void pod_cache_set_aside(struct p2m_locked locked, struct pod *pod, mfn_t block);
bool pod_cache_is_aside(const struct pod *pod, mfn_t block);

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
