/* SPDX-License-Identifier: MIT */
/*
 * Layouts that could be gathered. Refuses to know what is being tested.
 */
#include "gather_layout.h"

gfn_t guest_piece(unsigned slot, unsigned index)
{
    return gfn_add(SLOT(slot), index * FRAMES_2M);
}

mfn_t machine_piece(unsigned block, unsigned index)
{
    return mfn_add(BLOCK(block), index * FRAMES_2M);
}

void lay_leaf(struct fixture *f, gfn_t gfn, mfn_t mfn, unsigned order)
{
    must(set(f, gfn, mfn, order, P2M_RAM_RW));
    *memory_word(mfn) = gfn.gfn;
    memory_word(mfn_add(mfn, order_frames(order) - 1))[1] = ~gfn.gfn;
    must(p2m_mark_dirty(f->locked, gfn));
}

void lay_piece(struct fixture *f, unsigned slot, unsigned index, mfn_t mfn)
{
    lay_leaf(f, guest_piece(slot, index), mfn, ORDER_2M);
}

void expect_leaf(struct fixture *f, gfn_t gfn, unsigned order)
{
    struct p2m_entry first = get(f, gfn), last = get(f, gfn_add(gfn, order_frames(order) - 1));

    if (first.type != P2M_RAM_RW || last.type != P2M_RAM_RW)
        fail_msg("gfn %#lx is no memory any more", gfn.gfn);
    if (*memory_word(first.mfn) != gfn.gfn || memory_word(last.mfn)[1] != ~gfn.gfn)
        fail_msg("gfn %#lx lost what it held", gfn.gfn);
}

void expect_pieces(struct fixture *f, unsigned slot, unsigned from, unsigned end)
{
    for (unsigned index = from; index < end; index++)
        expect_leaf(f, guest_piece(slot, index), ORDER_2M);
}

void hand_pieces(struct fixture *f, unsigned block, unsigned from, unsigned end)
{
    must(pod_cache_reserve(f->locked, &f->pod, 1));
    for (unsigned index = from; index < end; index++)
        pod_cache_add(f->locked, &f->pod, machine_piece(block, index), ORDER_2M, POD_CLEAN);
    pod_cache_unreserve(f->locked, &f->pod);
}

void promise_the_rest(struct fixture *f)
{
    struct pod_account account = pod_account(&f->pod);

    assert_true(account.cached >= account.entries);
    if (account.cached > account.entries)
        must(mark(f, SLOT(3), account.cached - account.entries));
    expect_pod_sound(f);
}

uint64_t gbs_gathered(const struct fixture *f)
{
    return pod_events(&f->pod).gathered;
}

void expect_nothing_to_gather(struct fixture *f)
{
    struct pod_snapshot before;

    expect_pod_sound(f);
    before = pod_snapshot_take(f);
    assert_false(gather_start(f));
    pod_snapshot_expect_same(f, before);
}

void lay_out_a_block(struct fixture *f)
{
    pod_restart(f, ORDER_1G);
    must(mark(f, SLOT(0), FRAMES_1G));
    lay_piece(f, 1, 5, machine_piece(1, 100));
    lay_piece(f, 1, 6, machine_piece(1, 300));
    lay_leaf(f, guest_piece(1, 7), machine_piece(1, 511), ORDER_4K);
    lay_leaf(f, gfn_add(guest_piece(1, 9), 13), mfn_add(machine_piece(1, 511), 13), ORDER_4K);
    must(mark(f, SLOT(2), FRAMES_1G));
    hand_pieces(f, 1, 0, 100);
    hand_pieces(f, 1, 101, 300);
    hand_pieces(f, 1, 301, 511);
    must(pod_cache_reserve(f->locked, &f->pod, 1));
    for (unsigned i = 1; i < FRAMES_2M; i++)
        if (i != 13)
            pod_cache_add(f->locked, &f->pod, mfn_add(machine_piece(1, 511), i), ORDER_4K,
                          POD_CLEAN);
    hand_pieces(f, 2, 20, 24);
    expect_pod_sound(f);
}

void expect_a_block(struct fixture *f)
{
    expect_pieces(f, 1, 5, 7);
    expect_leaf(f, guest_piece(1, 7), ORDER_4K);
    expect_leaf(f, gfn_add(guest_piece(1, 9), 13), ORDER_4K);
}

void lay_out_a_slot(struct fixture *f)
{
    pod_restart(f, ORDER_1G);
    must(mark(f, SLOT(1), FRAMES_1G));
    for (unsigned index = 0; index < 10; index++)
        lay_piece(f, 1, index, machine_piece(1, index));
    lay_piece(f, 1, 10, machine_piece(1, 400));
    lay_piece(f, 1, 11, machine_piece(2, 17));
    lay_piece(f, 2, 33, machine_piece(1, 10));
    hand_pieces(f, 1, 11, 400);
    hand_pieces(f, 1, 401, PIECES);
    hand_pieces(f, 2, 20, 24);
    promise_the_rest(f);
}

void expect_a_slot(struct fixture *f)
{
    expect_pieces(f, 1, 0, 12);
    expect_leaf(f, guest_piece(2, 33), ORDER_2M);
}
