/* SPDX-License-Identifier: MIT */
/*
 * One guest under measurement: its map, its PoD, a model processor, and the ways to get it into the
 * state that a workload starts from. Refuses to know what is measured.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include "host.h"
#include "p2m/current.h"
#include "test/processor.h"

#define FRAMES_2M order_frames(ORDER_2M)
#define FRAMES_1G order_frames(ORDER_1G)

struct guest {
    struct p2m p2m;
    struct pod pod;
    struct p2m_current current;
    struct p2m_locked locked;
    struct p2m_debt debt;
    struct processor processor;
    uint64_t frames; /* its size */
    unsigned order;  /* the workload's */
    uint64_t *pick;  /* gfns, or numbers of blocks, in the order of the operations */
    uint64_t sum;    /* of what look-ups say, so that none of them can be left out */
};

/* A guest of this size; what it will need is there, and nothing is mapped. The lock is held. */
void guest_start(struct guest *guest, const struct pt_format *format, uint64_t frames);
void guest_end(struct guest *guest);

/* The whole of it in leaves of this order. */
void guest_map(struct guest *guest, unsigned order);

/* The whole of it marked, in marks of this order. */
void guest_mark(struct guest *guest, unsigned order);

/* This one leaf, as the guest left it: dirty. */
void guest_map_dirty(struct guest *guest, gfn_t gfn, mfn_t mfn, unsigned order);

/* A block comes into hand, clean; pages for it are taken. */
void guest_hand(struct guest *guest, mfn_t mfn, unsigned order);

/* Flush, pay the debt, trim. */
void guest_settle(struct guest *guest);

/* Let go of the lock and take it again: what an operation pays that locks by itself. */
void guest_turn(struct guest *guest);

/* So many random gfns, or all blocks of the order in random order. */
void guest_pick_random(struct guest *guest, uint64_t count);
void guest_pick_blocks(struct guest *guest, unsigned order);

/* The guest's own accesses; a fault is seen to as a hypervisor would. */
void guest_write(struct guest *guest, gfn_t gfn, unsigned index, uint64_t word);
void guest_read(struct guest *guest, gfn_t gfn);

/* Memory for a mark, by sweeping if there is none in hand; P2M_EMPTY if there is none at all. */
enum p2m_error guest_populate(struct guest *guest, gfn_t gfn);

/* One batch of a sweep, from holding to paying; P2M_EMPTY: there is nothing to look at any more. */
enum p2m_error guest_sweep(struct guest *guest, struct pod_sweep_kind kind);

#endif
