/* SPDX-License-Identifier: MIT */
/*
 * One leaf that moves. Refuses to know what is being tested.
 */
#include "move_case.h"

mfn_t block_in_hand(unsigned block)
{
    return mfn_add(IN_HAND, block * FRAMES_2M);
}

void leaf_start(struct fixture *f, unsigned order, enum debt debt)
{
    pod_restart(f, ORDER_1G);
    must(mark(f, PROMISED, debt == IN_DEBT ? FRAMES_1G : BLOCKS * FRAMES_2M));
    for (unsigned block = 0; block < BLOCKS; block++)
        hand(f, block_in_hand(block), ORDER_2M, POD_DIRTY);
    must(set(f, HERE, RAM, order, P2M_RAM_RW));
}

void leave_in_hand(struct fixture *f, uint64_t frames)
{
    enum p2m_error error;

    do {
        error = pod_set_cache_target(f->locked, &f->pod, frames);
    } while (error == P2M_AGAIN);
    must(error);
}

void leaf_write(struct fixture *f)
{
    uint64_t frames = order_frames(get(f, HERE).order);

    for (uint64_t i = 0; i < frames; i++)
        guest_write_at(f, gfn_add(HERE, i), i % PROCESSOR_WORDS, i + 1);
}

void leaf_expect_frame(struct fixture *f, uint64_t i)
{
    struct p2m_entry entry = get(f, gfn_add(HERE, i));

    assert_int_equal(entry.type, P2M_RAM_RW);
    assert_true(entry.dirty);
    if (memory_word(entry.mfn)[i % PROCESSOR_WORDS] != i + 1)
        fail_msg("frame %#lx of the leaf lost what it held", i);
}

bool move_with(struct fixture *f, happening happen, enum moment at, struct pod_move *move)
{
    for (enum moment moment = BEGIN; moment < MOMENTS; moment++) {
        if (moment == at)
            happen(f, moment);
        if (moment == BEGIN && move_begin(f, HERE, move) != P2M_OK)
            return false;
        if (moment == SETTLE || moment == PAY)
            pod_settle(f);
        if (moment == COPY)
            move_copy(move);
        if (moment == UNMAP && !move_unmap(f, move)) {
            pod_settle(f);
            if (at == LATER)
                happen(f, LATER);
            return false;
        }
        if (moment == FINISH)
            move_finish(f, move);
    }
    pod_settle(f);
    return true;
}

bool is_a_mark_at(enum moment moment)
{
    return moment == PAY || moment == FINISH;
}
