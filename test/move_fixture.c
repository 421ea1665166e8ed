/* SPDX-License-Identifier: MIT */
/*
 * Moving and gathering, driven. Refuses to know what is being tested.
 */
#include "move_fixture.h"

#include <string.h>

/* ---- a move by its steps -------------------------------------------------------------------- */

enum p2m_error move_begin(struct fixture *fixture, gfn_t gfn, struct pod_move *move)
{
    struct pod_place place = { gfn, INVALID_MFN };
    enum p2m_error error;

    *move = (struct pod_move){ .where = POD_ANYWHERE };
    error = pod_move_begin(fixture->locked, &fixture->pod, move, &place, &fixture->debt);
    expect_pod_sound(fixture);
    return error;
}

/* Every frame that was ever written to; what was there before is overwritten, like all the rest. */
void move_copy(const struct pod_move *move)
{
    uint64_t frames = order_frames(move->to.order), done = 0;

    memory_clear(move->to.mfn, frames);
    while (done < frames) {
        mfn_t used = memory_find_used(mfn_add(move->from, done), frames - done);

        if (!mfn_is_valid(used))
            return;
        done = used.mfn - move->from.mfn;
        memcpy(memory_word(mfn_add(move->to.mfn, done)), memory_word(used), FRAME_SIZE);
        done++;
    }
}

bool move_unmap(struct fixture *fixture, const struct pod_move *move)
{
    bool is_unmapped = pod_move_unmap(fixture->locked, &fixture->pod, move, &fixture->debt);

    expect_pod_sound(fixture);
    return is_unmapped;
}

void move_finish(struct fixture *fixture, const struct pod_move *move)
{
    pod_move_finish(fixture->locked, &fixture->pod, move);
    expect_pod_sound(fixture);
}

bool move_go_on(struct fixture *fixture, const struct pod_move *move)
{
    pod_settle(fixture);
    move_copy(move);
    if (!move_unmap(fixture, move)) {
        pod_settle(fixture);
        return false;
    }
    pod_settle(fixture);
    move_finish(fixture, move);
    return true;
}

void expect_settled(struct fixture *fixture, struct pod_account account)
{
    assert_int_equal(pod_account(&fixture->pod).granted, 0);
    assert_int_equal(fixture->p2m.unpaid.ram, 0);
    assert_int_equal(fixture->p2m.unpaid.tables, 0);
    expect_account(fixture, account.entries, account.cached, account.populated);
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void clear_one(struct fixture *fixture)
{
    struct pod_grant grant;

    if (!pod_clean_begin(fixture->locked, &fixture->pod, &grant))
        fail_msg("something must be cleared first, and all is clean");
    memory_clear(grant.mfn, order_frames(grant.order));
    pod_clean_end(fixture->locked, &fixture->pod, &grant);
    expect_pod_sound(fixture);
}

bool gather_start(struct fixture *fixture)
{
    return gather_start_to_the_end(fixture->locked, &fixture->pod) == P2M_OK ||
           gather_start_to_the_end(fixture->locked, &fixture->pod) == P2M_OK;
}

enum p2m_error gather_step(struct fixture *fixture)
{
    struct pod_move move;
    enum p2m_error error;

    if (!gather_start(fixture))
        return P2M_EMPTY;
    expect_pod_sound(fixture);
    error = gather_next_to_the_end(fixture->locked, &fixture->pod, &move, &fixture->debt);
    if (error == P2M_OK)
        move_go_on(fixture, &move);
    else
        pod_settle(fixture);
    if (error == P2M_BUSY)
        clear_one(fixture);
    return error;
}

static uint64_t leaves_moved(const struct fixture *fixture)
{
    struct pod_events events = pod_events(&fixture->pod);

    return events.moves[order_size(ORDER_4K)] + events.moves[order_size(ORDER_2M)];
}

uint64_t gather_all(struct fixture *fixture, uint64_t steps_max)
{
    uint64_t before = leaves_moved(fixture);

    while (gather_start(fixture)) {
        if (steps_max-- == 0)
            fail_msg("gathering goes on for ever");
        (void)gather_step(fixture);
    }
    return leaves_moved(fixture) - before;
}

uint64_t whole_gigabytes(const struct fixture *fixture)
{
    return p2m_counts(&fixture->p2m).ram[order_size(ORDER_1G)] +
           pod_cache_counts(&fixture->pod).blocks[order_size(ORDER_1G)];
}
