/* SPDX-License-Identifier: MIT */
/*
 * One leaf that moves, with blocks in hand for it: what it holds, and what may happen to it between
 * two steps. Refuses to know what is being tested.
 */
#ifndef TEST_MOVE_CASE_H
#define TEST_MOVE_CASE_H

#include "move_fixture.h"

#define RAM      MFN(0x40000)
#define IN_HAND  MFN(0x80000)
#define HERE     GFN(0x40000)
#define PROMISED GFN(0x80000)
#define BLOCKS   4u

#define LAST(f) gfn_add(HERE, order_frames(get(f, HERE).order) - 1)

/* The sizes of leaves that move. */
static const unsigned leaf_orders[] = { ORDER_4K, ORDER_2M };

/* What of the guest's balloon is still owed. */
enum debt { IN_DEBT, NO_DEBT };

/* Begin again: a leaf of this order at HERE, in RAM, and as many dirty blocks of 2 MB in hand as
 * are promised, or fewer. */
void leaf_start(struct fixture *fixture, unsigned order, enum debt debt);
mfn_t block_in_hand(unsigned block);
void leave_in_hand(struct fixture *fixture, uint64_t frames);

/* The guest writes to every frame of it; does this one hold that still? */
void leaf_write(struct fixture *fixture);
void leaf_expect_frame(struct fixture *fixture, uint64_t index);

/* Where in a move something happens: before the step of that name. */
enum moment { BEGIN, SETTLE, COPY, UNMAP, PAY, FINISH, LATER, MOMENTS };

typedef void (*happening)(struct fixture *fixture, enum moment moment);

/* One move, with an event in it; did the memory move? */
bool move_with(struct fixture *fixture, happening happen, enum moment at, struct pod_move *move);
bool is_a_mark_at(enum moment moment);

#endif
