/* SPDX-License-Identifier: MIT */
/*
 * GBs of the machine, and of a guest, that could be gathered: which aligned 2 MB of the machine the
 * guest's 2 MB lie in, and what is in hand. Refuses to know what is being tested.
 */
#ifndef TEST_GATHER_LAYOUT_H
#define TEST_GATHER_LAYOUT_H

#include "move_fixture.h"

#define PIECES     512u /* of 2 MB, in 1 GB */
#define SLOT(n)    GFN((uint64_t)(n) << ORDER_1G)
#define BLOCK(n)   MFN((uint64_t)(n) << ORDER_1G)
#define NOWHERE(f) ((f)->config.end.gfn)

gfn_t guest_piece(unsigned slot, unsigned index);
mfn_t machine_piece(unsigned block, unsigned index);

/* A leaf of the guest's that holds something: its own gfn, in the first frame and in the last. */
void lay_leaf(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order);
void lay_piece(struct fixture *fixture, unsigned slot, unsigned index, mfn_t mfn);
void expect_leaf(struct fixture *fixture, gfn_t gfn, unsigned order);
void expect_pieces(struct fixture *fixture, unsigned slot, unsigned from, unsigned end);

/* These pieces of a block, up to end, come into hand, clean. */
void hand_pieces(struct fixture *fixture, unsigned block, unsigned from, unsigned end);

/* As much is promised in slot 3 as is needed for nothing to be owed to the balloon. */
void promise_the_rest(struct fixture *fixture);

/* Block 1 is in hand but for two leaves of 2 MB and two of 4 KB, all of slot 1; slot 0 could be one
 * leaf. There is room in block 2. */
void lay_out_a_block(struct fixture *fixture);
void expect_a_block(struct fixture *fixture);

/* Slot 1 has its first 12 pieces: 0 to 9 at their places in block 1, 10 in that block at another,
 * 11 in block 2; a piece of slot 2 is where 10 should be. */
void lay_out_a_slot(struct fixture *fixture);
void expect_a_slot(struct fixture *fixture);

uint64_t gbs_gathered(const struct fixture *fixture);
void expect_nothing_to_gather(struct fixture *fixture);

#endif
