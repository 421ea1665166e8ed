/* SPDX-License-Identifier: MIT */
/*
 * Moving and gathering under test: what an embedder does between the engine's steps. Settles,
 * copies, pays; clears what is in hand when it is told to. Everything is audited after each step.
 * Refuses to know what is being tested.
 */
#ifndef TEST_MOVE_FIXTURE_H
#define TEST_MOVE_FIXTURE_H

#include "pod_fixture.h"

/* ---- a move by its steps -------------------------------------------------------------------- */

/* Of the leaf at gfn, to anywhere. */
enum p2m_error move_begin(struct fixture *fixture, gfn_t gfn, struct pod_move *move);
void move_copy(const struct pod_move *move);
bool move_unmap(struct fixture *fixture, const struct pod_move *move);
void move_finish(struct fixture *fixture, const struct pod_move *move);

/* All that follows a begin; did the memory move? */
bool move_go_on(struct fixture *fixture, const struct pod_move *move);

/* Nobody is between the cache and the map, nothing is owed, and this is what there is. */
void expect_settled(struct fixture *fixture, struct pod_account account);

/* ---- gathering ------------------------------------------------------------------------------ */

/* What is found is found again. */
bool gather_start(struct fixture *fixture);

/* One step, with its move, or with clearing when it asks for that; what the engine said. P2M_EMPTY,
 * too, when there was nothing to start with. */
enum p2m_error gather_step(struct fixture *fixture);

/* Until nothing is worth it any more: so many leaves moved. More steps than that many fail. */
uint64_t gather_all(struct fixture *fixture, uint64_t steps_max);

/* GBs in one piece: leaves, and blocks in hand. */
uint64_t whole_gigabytes(const struct fixture *fixture);

#endif
